using System.Text.RegularExpressions;

namespace Broker.Core.Catalog.Reading;

/// <summary>Checks paths that go into Vault's URLs.</summary>
internal static partial class VaultPaths
{
    /// <summary>Whether it consists of segments of plain characters, none of which is special in a URL.</summary>
    public static bool IsPath(string text) => Path().IsMatch(text) && !text.Split('/').Any(segment => segment is "." or "..");

    /// <summary>Whether it is a path that issues dynamic users: <c>mount/creds/role</c>.</summary>
    public static bool Issues(string text) => IsPath(text) && Creds().IsMatch(text);

    [GeneratedRegex(@"\A[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\z")]
    private static partial Regex Path();

    [GeneratedRegex(@"\A(?!v1/).+/creds/[^/]+\z")]
    private static partial Regex Creds();
}
