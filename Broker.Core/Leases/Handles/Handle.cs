using System.Globalization;
using System.Security.Cryptography;

namespace Broker.Core.Leases.Handles;

/// <summary>
/// The lease id of a client with its own notion of leases (Vault's): it represents a holder, for as long as it is renewed. Each
/// read gives one; several may represent one holder (a pod that reads again), and the holder leaves with the last of them.
/// </summary>
/// <param name="Id">The whole id: the path that was read, followed by 24 random letters.</param>
/// <param name="Owner">Its owner: the caller's <see cref="Identity.Caller.OwnerHash"/>.</param>
/// <param name="Holder">The holder that it represents.</param>
/// <param name="Lease">The lease it was given over; the holder may have moved to another one since.</param>
/// <param name="Duration">What each renewal gives while that lease is current: always the same.</param>
/// <param name="IssuedAt">When it was read, by the ledger's clock.</param>
/// <param name="RenewedAt">When it was renewed last; null: never.</param>
/// <param name="Given">The time that it was last given.</param>
/// <param name="Until">Its final end, once its lease runs out: different for each handle, so that they do not all come back at once.</param>
internal sealed record Handle(
    string Id, string Owner, string Holder, string Lease, TimeSpan Duration, DateTimeOffset IssuedAt, DateTimeOffset? RenewedAt, TimeSpan Given, DateTimeOffset? Until)
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    // Far beyond any written value; nothing overflows by it.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    /// <summary>The most it can be given; if it has a final end, counted from when it was read.</summary>
    public TimeSpan MostEver => Until is { } end ? end - IssuedAt : Duration;

    /// <summary>An unguessable id in Vault's format.</summary>
    public static string NewId(string path) => $"{path}/{RandomNumberGenerator.GetString(Letters, 24)}";

    /// <summary>Its parts, separated by bars, which none of them contains; times in milliseconds.</summary>
    public string Write() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Owner}|{Holder}|{Lease}|{(long)Duration.TotalMilliseconds}|{IssuedAt.ToUnixTimeMilliseconds()}|{RenewedAt?.ToUnixTimeMilliseconds()}|{(long)Given.TotalMilliseconds}|{Until?.ToUnixTimeMilliseconds()}");

    /// <summary>Parses a handle; null when the text is not one.</summary>
    public static Handle? TryRead(string id, string text) =>
        text.Split('|') is [{ Length: > 0 } owner, { Length: > 0 } holder, { Length: > 0 } lease, var duration, var issued, var renewed, var given, var until]
        && TimeOf(duration) is { } lasts && TimeOf(issued) is { } issuedAt && TimeOf(given) is { } was
        && (renewed.Length == 0 || TimeOf(renewed) is not null) && (until.Length == 0 || TimeOf(until) is not null)
            ? new(id, owner, holder, lease, lasts, DateTimeOffset.UnixEpoch + issuedAt, DateTimeOffset.UnixEpoch + TimeOf(renewed), was, DateTimeOffset.UnixEpoch + TimeOf(until))
            : null;

    private static TimeSpan? TimeOf(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds <= Longest.TotalMilliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;
}

/// <summary>A handle as its client sees it.</summary>
/// <param name="Handle">The handle.</param>
/// <param name="EndsIn">How long it lives unless renewed.</param>
/// <param name="Asked">The requested time, if it was more than is available.</param>
internal sealed record HandleTerm(Handle Handle, TimeSpan EndsIn, TimeSpan? Asked = null);
