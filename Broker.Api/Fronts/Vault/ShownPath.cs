using System.Diagnostics;

namespace Broker.Api.Fronts.Vault;

/// <summary>
/// A request's path as it may be shown. Old clients write tokens and accessors into addresses (<c>auth/token/lookup/TOKEN</c>): they are refused, and
/// the tokens are in no audit, log or trace (law L6).
/// </summary>
internal static class ShownPath
{
    private const string Tokens = "/auth/token/";

    public static string Of(HttpRequest request) => Short(request.Path.Value ?? "") ?? request.Path.Value ?? "";

    /// <summary>Limits the trace of a request to that.</summary>
    public static void Trace(HttpRequest request)
    {
        if (Short(request.Path.Value ?? "") is { } shown) Activity.Current?.SetTag("url.path", shown);
    }

    // Null: it can be shown as it is.
    private static string? Short(string path) =>
        path.IndexOf(Tokens, StringComparison.Ordinal) is var start and >= 0 && path.IndexOf('/', start + Tokens.Length) is var slash and > 0 && slash < path.Length - 1 ? $"{path[..slash]}/…" : null;
}
