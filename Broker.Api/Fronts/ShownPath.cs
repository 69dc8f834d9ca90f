using System.Buffers;
using System.Diagnostics;
using Broker.Core.Audit;

namespace Broker.Api.Fronts;

/// <summary>
/// A request's path as it may be shown. Old clients of Vault write tokens and accessors into addresses (<c>auth/token/lookup/TOKEN</c>), and not
/// always into those that are answered: they are refused, and what they wrote is in no audit, log or trace (law L6).
/// </summary>
internal static class ShownPath
{
    private const string Tokens = "/auth/token/";
    private const string FullAddress = "url.full";
    private const string Hidden = "…";
    private const int LongestValue = 256;

    // What a path has in it that is not shown as it is: one of these, or what makes it another path (PlainPath).
    private static readonly SearchValues<string> Telling = SearchValues.Create([Tokens, "//", "%", .. HiddenTokens.Beginnings], StringComparison.OrdinalIgnoreCase);

    // What it is about, by which a reader of the record finds a look at it.
    private static readonly string[] Subjects = ["database", "lease", "role", "holder", "user", "namespace", "team", "node", "span"];

    public static string Of(HttpRequest request) => Of(request.Path.Value ?? "");

    /// <summary>The path and what else was asked with it: the names of its parameters, and the values of those alone that name what it is about.</summary>
    public static string WithQuery(HttpRequest request) => request.Query.Count == 0 ? Of(request) : $"{Of(request)}?{string.Join('&', request.Query.Select(static asked => Shown(asked.Key, asked.Value.ToString())))}";

    private static string Shown(string name, string value) =>
        IsToken(name) || name.Length > LongestValue ? Hidden
        : !Subjects.Contains(name, StringComparer.Ordinal) ? name
        : $"{name}={(value.Length > LongestValue || IsToken(value) ? Hidden : value)}";

    /// <summary>Has the trace of a request say no more than that.</summary>
    public static void Trace(HttpRequest request)
    {
        if (Activity.Current is not { } activity) return;
        var path = request.Path.Value ?? "";
        if (!path.AsSpan().ContainsAny(Telling)) return;
        if (Of(path) is var shown && shown != path) activity.SetTag("url.path", shown);
    }

    /// <summary>Has the trace of a request to another server say no more than that: what passes to the Vault behind is such a one.</summary>
    public static void Trace(Activity activity, HttpRequestMessage request)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } address || activity.GetTagItem(FullAddress) is not string full) return;
        var path = address.AbsolutePath;
        if (!path.AsSpan().ContainsAny(Telling)) return;
        if (Of(path) is var shown && shown != path) activity.SetTag(FullAddress, full.Replace(path, shown, StringComparison.Ordinal));
    }

    private static string Of(string path)
    {
        path = PlainPath.Of(path);
        if (path.IndexOf(Tokens, StringComparison.OrdinalIgnoreCase) is var start and >= 0 && path.IndexOf('/', start + Tokens.Length) is var slash and > 0 && slash < path.Length - 1)
            path = $"{path[..slash]}/{Hidden}";
        return Array.Exists(HiddenTokens.Beginnings, beginning => path.Contains(beginning, StringComparison.OrdinalIgnoreCase))
            ? string.Join('/', path.Split('/').Select(static part => IsToken(part) ? Hidden : part))
            : path;
    }

    private static bool IsToken(string part) => Array.Exists(HiddenTokens.Beginnings, beginning => part.StartsWith(beginning, StringComparison.OrdinalIgnoreCase));
}
