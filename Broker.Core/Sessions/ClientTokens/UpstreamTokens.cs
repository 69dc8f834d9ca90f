using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>A token of the Vault behind.</summary>
/// <param name="Token">It.</param>
/// <param name="Namespace">Where its login was made, and where alone it is known; null: in none.</param>
internal sealed record UpstreamToken(Secret Token, string? Namespace)
{
    // No token has a line's end in it.
    private const char Between = '\n';

    // No token is so short.
    private const string InItsPlace = "-";

    /// <summary>There is none, and its client needed it: stands in the place of one, so that every replica knows.</summary>
    public static UpstreamToken Missing { get; } = new(new(InItsPlace), null);

    /// <summary>Whether it only stands in the place of one.</summary>
    public bool IsMissing => Token.Reveal() == InItsPlace;

    public string Write() => Namespace is null ? Token.Reveal() : $"{Token.Reveal()}{Between}{Namespace}";

    public static UpstreamToken Read(string text) => text.Split(Between, 2) is [var token, var space] ? new(new(token), space) : new(new(text), null);
}

/// <summary>
/// The tokens of the Vault behind, each sealed beside the client token that it belongs to, and gone with it. In another's place it cannot be
/// opened (law L14). All methods throw <see cref="LedgerException"/> when the ledger does not answer.
/// </summary>
internal sealed class UpstreamTokens(ILedgerStore store, LedgerSeal seal)
{
    private readonly RecordLedger records = new(store, "~upstream-tokens", seal, "Broker.UpstreamToken.v1");

    /// <summary>Keeps one, also where one was missing.</summary>
    /// <param name="clientToken">The client token's id.</param>
    /// <param name="groups">The client token's groups: of too many both go.</param>
    /// <param name="token">The token of the Vault behind.</param>
    /// <param name="lasts">As long as the client token lives.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool> KeepAsync(string clientToken, IReadOnlyList<string> groups, UpstreamToken token, TimeSpan lasts, CancellationToken cancellation) =>
        await records.PutAsync(clientToken, groups, token.Write(), lasts, cancellation) switch
        {
            PutRecordAnswer.Put => true,
            PutRecordAnswer.Taken => await FindAsync(clientToken, cancellation) is { IsMissing: true } && await records.RenewAsync(clientToken, token.Write(), lasts, cancellation),
            _ => false,
        };

    /// <summary>Notes that a client token's is missing. Nothing is noted where one is there, or there is no room.</summary>
    public async ValueTask MissAsync(string clientToken, IReadOnlyList<string> groups, TimeSpan lasts, CancellationToken cancellation) =>
        await records.PutAsync(clientToken, groups, UpstreamToken.Missing.Write(), lasts, cancellation);

    /// <summary>Notes that a client token's is over.</summary>
    public async ValueTask LoseAsync(string clientToken, TimeSpan lasts, CancellationToken cancellation) =>
        await records.RenewAsync(clientToken, UpstreamToken.Missing.Write(), lasts, cancellation);

    /// <summary>A client token's; null: it has none.</summary>
    public async ValueTask<UpstreamToken?> FindAsync(string clientToken, CancellationToken cancellation) =>
        await records.ReadAsync(clientToken, cancellation) is var (text, _) ? UpstreamToken.Read(text) : null;

    /// <summary>Extends its life with its client token's. Answers it; null: there is none.</summary>
    public async ValueTask<UpstreamToken?> RenewAsync(string clientToken, TimeSpan lasts, CancellationToken cancellation) =>
        await FindAsync(clientToken, cancellation) is { } token && await records.RenewAsync(clientToken, token.Write(), lasts, cancellation) ? token : null;

    /// <summary>Ends it with its client token. Answers it; null: there was none.</summary>
    public async ValueTask<UpstreamToken?> TakeAsync(string clientToken, CancellationToken cancellation) =>
        await records.DropAsync(clientToken, cancellation) is { } text ? UpstreamToken.Read(text) : null;
}
