using System.Text.RegularExpressions;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>Vault's own words, cleaned for a message: one line, of bounded length, without the secrets of the request.</summary>
internal static partial class VaultErrorText
{
    /// <summary>Drivers can put whole statements into an error; this much is enough to see what is wrong.</summary>
    private const int MaxLength = 500;

    /// <summary>
    /// Errors that passed through Go's multierror come as <c>1 error occurred:\n\t* permission denied\n\n</c>; answers
    /// <c>permission denied</c>.
    /// </summary>
    public static string Clean(IEnumerable<string?> errors, params ReadOnlySpan<Secret> secrets)
    {
        var text = string.Join("; ", errors.Select(error => OneLine(error ?? "")).Where(line => line.Length > 0));
        foreach (var secret in secrets) text = text.Replace(secret.Reveal(), secret.ToString(), StringComparison.Ordinal);
        return text.Length <= MaxLength ? text : string.Concat(text.AsSpan(0, MaxLength), "…");
    }

    private static string OneLine(string error) =>
        Blank().Replace(Bullet().Replace(Count().Replace(error, ""), "; "), " ").Trim(' ', ';');

    [GeneratedRegex(@"\d+ errors? occurred:\s*(\* )?")]
    private static partial Regex Count();

    [GeneratedRegex(@"\s*\n\s*\* ")]
    private static partial Regex Bullet();

    [GeneratedRegex(@"[\s\p{Cc}]+")]
    private static partial Regex Blank();
}
