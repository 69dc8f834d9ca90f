namespace Broker.Core.Catalog;

/// <summary>
/// How claims are named: by their path in the token, with the parts joined by <c>/</c>. A part that contains a <c>/</c> is written as in
/// a JSON Pointer (RFC 6901, 3: <c>~1</c> for <c>/</c>, <c>~0</c> for <c>~</c>), so that a claim called <c>kubernetes.io/namespace</c> is never
/// mistaken for the namespace inside <c>kubernetes.io</c>, which only a cluster writes.
/// </summary>
public static class ClaimPath
{
    /// <summary>One part of a path.</summary>
    public static string Part(string name) =>
        name.AsSpan().IndexOfAny('/', '~') < 0 ? name : name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    /// <summary>A path as people write it: a name that contains <c>://</c> is a single claim, such as <c>https://example.com/roles</c>.</summary>
    public static string Of(string written) => written.Contains("://", StringComparison.Ordinal) ? Part(written) : written;
}
