using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>An answer that waits to be unwrapped.</summary>
/// <param name="Body">The answer, whole.</param>
/// <param name="Path">The requested path.</param>
/// <param name="WrappedAt">When.</param>
/// <param name="Ttl">How long it waits.</param>
internal sealed record WrappedAnswer(string Body, string Path, DateTimeOffset WrappedAt, TimeSpan Ttl)
{
    /// <summary>Its owner: one client's <see cref="OwnersGroup"/>. Null: a version that did not count owners wrapped it.</summary>
    public string? Group { get; init; }

    /// <summary>All clients of its owner's name: <see cref="OwnersGroup.WorkloadOf"/>. Null: a version that did not count them wrapped it.</summary>
    public string? Workload { get; init; }

    /// <summary>How often it was put under another token.</summary>
    public int Rewraps { get; init; }

    [JsonIgnore]
    public IReadOnlyList<string> Groups => (Group, Workload) switch
    {
        (null, _) => [],
        ({ } group, null) => [group],
        ({ } group, { } workload) => [group, workload],
    };
}

/// <summary>
/// Response wrapping: an answer is kept, sealed, under the hash of a token of its own, and given to the first caller with that token; a second
/// caller learns that somebody was there before.
/// </summary>
internal sealed class WrappedAnswers(ILedgerStore store, LedgerSeal seal)
{
    /// <summary>How often an answer may be put under another token. Anybody with its token may do that unproven, and each time is recorded.</summary>
    public const int MostRewraps = 30;

    // Clients choose what an answer contains, up to a few kB, and how long it waits: what all of them keep has to have room in the ledger.
    private const int MostOfWorkload = 5_000;
    private const int Most = 20_000;

    // A letter takes no more room than it has.
    private static readonly JsonSerializerOptions Form = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly RecordLedger records = new(store, "~wrapped", seal, "Broker.WrappedAnswer.v1", mostInWide: MostOfWorkload, most: Most, isProof: true);

    /// <summary>Keeps an answer; returns the token for it.</summary>
    public async ValueTask<Secret> WrapAsync(WrappedAnswer answer, CancellationToken cancellation)
    {
        var token = ClientTokenText.New();
        if (await records.PutAsync(ClientTokenText.IdOf(token.Reveal()), answer.Groups, JsonSerializer.Serialize(answer, Form), answer.Ttl, cancellation) != PutRecordAnswer.Put)
            throw new LedgerException("The limit on wrapped answers is reached.");
        return token;
    }

    /// <summary>The answer, once; null: there is none, or somebody had it before.</summary>
    public async ValueTask<WrappedAnswer?> UnwrapAsync(string token, CancellationToken cancellation) =>
        ClientTokenText.IsOne(token) && await records.DropAsync(ClientTokenText.IdOf(token), cancellation) is { } text ? JsonSerializer.Deserialize<WrappedAnswer>(text) : null;

    /// <summary>Puts back an answer that was taken and could not be given.</summary>
    public async ValueTask PutBackAsync(string token, WrappedAnswer answer, DateTimeOffset now, CancellationToken cancellation)
    {
        if (answer.WrappedAt + answer.Ttl - now is var left && left > TimeSpan.Zero) await records.PutAsync(ClientTokenText.IdOf(token), answer.Groups, JsonSerializer.Serialize(answer, Form), left, cancellation);
    }

    /// <summary>
    /// Keeps an answer under another token, for as long again: returns it as it was, as it is, and that token. Null: there is none, somebody had it before, or it was
    /// put under another token too often.
    /// </summary>
    public async ValueTask<(WrappedAnswer Was, WrappedAnswer Is, Secret Token)?> RewrapAsync(string token, DateTimeOffset now, CancellationToken cancellation)
    {
        if (await LookUpAsync(token, cancellation) is not { Rewraps: < MostRewraps } was) return null;
        var anew = was with { WrappedAt = now, Rewraps = was.Rewraps + 1 };
        var another = await WrapAsync(anew, cancellation);
        if (await UnwrapAsync(token, cancellation) is not null) return (was, anew, another);
        await UnwrapAsync(another.Reveal(), cancellation); // somebody had it meanwhile, and has it alone
        return null;
    }

    /// <summary>Its data, without taking it.</summary>
    public async ValueTask<WrappedAnswer?> LookUpAsync(string token, CancellationToken cancellation) =>
        ClientTokenText.IsOne(token) && await records.ReadAsync(ClientTokenText.IdOf(token), cancellation) is var (text, _) ? JsonSerializer.Deserialize<WrappedAnswer>(text) : null;
}
