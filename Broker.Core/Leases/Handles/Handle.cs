using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Broker.Core.Leases.Handles;

/// <summary>
/// What a client that knows leases by ids of its own has of the broker: an id over a holder, for as long as it is renewed. Each
/// read gives one; several may stand for one holder (a pod that reads again), and the holder leaves with the last of them.
/// </summary>
/// <param name="Id">The whole id: the path that was read, and 24 letters of its own.</param>
/// <param name="Owner">Whose it is: the caller's <see cref="Identity.Caller.OwnerHash"/>.</param>
/// <param name="Holder">The holder it stands for.</param>
/// <param name="Lease">The lease it was given over; the holder may have moved to another one since.</param>
/// <param name="Duration">What each renewal gives while that lease is current: always the same.</param>
/// <param name="IssuedAt">When it was read, by the ledger's clock.</param>
/// <param name="RenewedAt">When it was renewed last; null: never.</param>
/// <param name="Given">What it was given last.</param>
/// <param name="Until">Its last end, once its lease gives out: chosen for each handle apart, so that they do not all come back at once.</param>
internal sealed record Handle(
    string Id, string Owner, string Holder, string Lease, TimeSpan Duration, DateTimeOffset IssuedAt, DateTimeOffset? RenewedAt, TimeSpan Given, DateTimeOffset? Until)
{
    /// <summary>The most it can be given, counted from when it was read where it has a last end.</summary>
    [JsonIgnore]
    public TimeSpan MostEver => Until is { } end ? end - IssuedAt : Duration;

    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>An id that nobody can guess, in the form Vault's have.</summary>
    public static string NewId(string path) => $"{path}/{RandomNumberGenerator.GetString(Letters, 24)}";

    public string Write() => JsonSerializer.Serialize(this);

    public static Handle Read(string text) => JsonSerializer.Deserialize<Handle>(text)!;
}

/// <summary>A handle as its client is told of it.</summary>
/// <param name="Handle">The handle.</param>
/// <param name="EndsIn">How long it lives unless renewed.</param>
/// <param name="Asked">What was asked for, where that was more than there is.</param>
internal sealed record HandleTerm(Handle Handle, TimeSpan EndsIn, TimeSpan? Asked = null);
