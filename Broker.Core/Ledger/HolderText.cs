using System.Globalization;

namespace Broker.Core.Ledger;

/// <summary>
/// The ledger's text about a holder for people: <c>caller</c>, or <c>caller␟node␟team</c>, with <c>seconds␟</c> before it from
/// the decision that reserved its connections. Older brokers wrote neither.
/// </summary>
internal static class HolderText
{
    private const char Divider = '\u001f';

    private static readonly long Latest = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    /// <summary>The text of a claim.</summary>
    public static string Of(Claim claim) =>
        claim.Node is null && claim.Team is null ? Clean(claim.Caller) : string.Join(Divider, Clean(claim.Caller), Clean(claim.Node ?? ""), Clean(claim.Team ?? ""));

    /// <summary>Reads the text in the ledger.</summary>
    public static (string Caller, string? Node, string? Team, DateTimeOffset? Since) Read(string text)
    {
        var parts = text.Split(Divider);
        DateTimeOffset? since = null;
        var first = 0;
        // A caller may be called by a number, and whoever writes into the ledger may write any.
        if (parts.Length is 2 or 4 && long.TryParse(parts[0], CultureInfo.InvariantCulture, out var seconds) && seconds >= 0 && seconds <= Latest)
        {
            since = DateTimeOffset.FromUnixTimeSeconds(seconds);
            first = 1;
        }

        return (parts[first], At(first + 1), At(first + 2), since);

        string? At(int part) => part < parts.Length && parts[part].Length > 0 ? parts[part] : null;
    }

    private static string Clean(string text) => text.Contains(Divider, StringComparison.Ordinal) ? text.Replace(Divider, '_') : text;
}
