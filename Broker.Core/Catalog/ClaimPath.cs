namespace Broker.Core.Catalog;

/// <summary>
/// How claims are named: by their path in the token, its parts joined by <c>/</c>. A part that holds a <c>/</c> itself is written as in
/// a JSON Pointer (RFC 6901, 3: <c>~1</c> for <c>/</c>, <c>~0</c> for <c>~</c>), so that a claim called <c>kubernetes.io/namespace</c> is never
/// taken for the namespace inside of <c>kubernetes.io</c>, which only a cluster writes.
/// </summary>
public static class ClaimPath
{
    /// <summary>One part of a path.</summary>
    public static string Part(string name) =>
        name.AsSpan().IndexOfAny('/', '~') < 0 ? name : name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    /// <summary>A path as people write it: a name with <c>://</c> in it is one claim's, such as <c>https://example.com/roles</c>.</summary>
    public static string Of(string written) => written.Contains("://", StringComparison.Ordinal) ? Part(written) : written;
}
