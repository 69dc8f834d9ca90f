using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Handles;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>The outcome of renewing a token.</summary>
/// <param name="Live">The token now; null: refused.</param>
/// <param name="Asked">The requested time, if it was more than is available.</param>
/// <param name="Refusal">Why not.</param>
internal readonly record struct TokenRenewal(LiveToken? Live, TimeSpan? Asked, Refusal? Refusal);

/// <summary>Makes, renews and ends the tokens of the Vault-compatible API.</summary>
internal sealed class ClientTokenDesk(ClientTokenLedger ledger, HandleDesk handles, ICatalog catalog, DeskAudit audit, TimeProvider time)
{
    /// <summary>Makes one for a proven caller. Its text is told once.</summary>
    public async ValueTask<(Secret? Text, LiveToken? Live, Refusal? Refusal)> OpenAsync(Caller caller, ClientToken token, string? role, Origin origin, CancellationToken cancellation)
    {
        var text = ClientTokenText.New();
        var live = new LiveToken(ClientTokenText.IdOf(text.Reveal()), token, token.Ttl);
        var refusal = await GuardedAsync(async () =>
        {
            await ledger.PutAsync(live.Id, [.. OwnersGroup.AllOf(caller, token.SecretId, origin), .. token.Parent is { } parent ? [ClientTokenLedger.ChildrenGroup(parent)] : Array.Empty<string>()], token, token.Ttl, cancellation);
            return null;
        });
        refusal = await RecordAsync(token.Parent is null ? "made" : "made by another", caller, live, role, refusal, origin, cancellation);
        if (refusal is null) return (text, live, null);
        await GuardedAsync(async () =>
        {
            await ledger.DropAsync(live.Id, cancellation);
            return null;
        });
        return (null, null, refusal);
    }

    /// <summary>Renews it.</summary>
    /// <param name="caller">The caller that it proves.</param>
    /// <param name="live">The token.</param>
    /// <param name="increment">The requested time; zero: as long as it was first given. A periodic token gets its period whatever is requested.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">The caller left.</param>
    public async ValueTask<TokenRenewal> RenewAsync(Caller caller, LiveToken live, TimeSpan increment, Origin origin, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var token = live.Token with { RenewedAt = now, SecretHash = live.Token.SecretHash ?? HashOf(live.Token) };
        var wanted = token.MaxTtl is not null && increment > TimeSpan.Zero ? increment : PeriodOf(token);
        var given = MostLeft(token, now) is { } most && most < wanted ? TimeSpan.FromSeconds(Math.Floor(most.TotalSeconds)) : wanted;
        var refusal = given <= TimeSpan.Zero
            ? new Refusal(RefusalCode.SessionUnknown, "The token has reached its end and cannot be extended. Log in again.")
            : await GuardedAsync(async () => await ledger.RenewAsync(live.Id, token, given, cancellation) ? null : Unknown());
        refusal = await RecordAsync("renewed", caller, live, null, refusal, origin, cancellation);
        return refusal is null ? new(new LiveToken(live.Id, token, given), given < wanted ? wanted : null, null) : new(null, null, refusal);
    }

    /// <summary>It ends sooner than it was given for: its token of the Vault behind does, and a client logs in again when its own ends.</summary>
    public async ValueTask<LiveToken> ShortenAsync(LiveToken live, TimeSpan most, CancellationToken cancellation)
    {
        // Where the ledger does not answer, the client is told the shorter time all the same.
        await GuardedAsync(async () => await ledger.RenewAsync(live.Id, live.Token, most, cancellation) ? null : Unknown());
        return live with { EndsIn = most };
    }

    /// <summary>
    /// Ends it: every replica refuses it within a second, however many leases were read with it. These are given up then; one that cannot be ends by itself, because
    /// nobody renews it any more, and the record says so. The tokens that it made end with it.
    /// </summary>
    /// <param name="caller">The caller that it proves.</param>
    /// <param name="live">The token.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">The caller left.</param>
    /// <param name="what">What the record says of it.</param>
    public async ValueTask<Refusal?> RevokeAsync(Caller caller, LiveToken live, Origin origin, CancellationToken cancellation, string what = "revoked")
    {
        IReadOnlyList<string> children = [];
        var refusal = await GuardedAsync(async () =>
        {
            await ledger.DropAsync(live.Id, cancellation);
            children = await ledger.ChildrenAsync(live.Id, cancellation);
            foreach (var child in children) await ledger.DropAsync(child, cancellation);
            return null;
        });
        Refusal? left = null;
        foreach (var ended in refusal is null ? children.Prepend(live.Id) : []) left ??= await handles.RevokeAllOfAsync(caller, ended, origin, cancellation);
        return await RecordAsync(left is null ? what : $"{what}, and leases that were read with it are left to their own ends ({left.Detail})", caller, live, null, refusal, origin, cancellation);
    }

    private string? HashOf(ClientToken token) => SecretOf(token)?.Hash;

    private AppRoleSecret? SecretOf(ClientToken token) => catalog.Current.VaultApi.SecretIdOf(token.Mount, token.SecretId);

    // With its secret id it ends whatever was promised.
    private TimeSpan? MostLeft(ClientToken token, DateTimeOffset now) =>
        SecretOf(token)?.ExpiresAt - now is { } secret && !(token.MostLeft(now) < secret) ? secret : token.MostLeft(now);

    private static Refusal Unknown() => new(RefusalCode.SessionUnknown, "The token has ended or was revoked. Log in again.");

    private static async ValueTask<Refusal?> GuardedAsync(Func<Task<Refusal?>> decision)
    {
        try
        {
            return await decision();
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }
    }

    // By the present configuration: a shortened period also applies to tokens made before.
    private TimeSpan PeriodOf(ClientToken token) => token.MaxTtl is null && catalog.Current.VaultApi.Tokens.Ttl is var ttl && ttl < token.Ttl ? ttl : token.Ttl;

    private async ValueTask<Refusal?> RecordAsync(string what, Caller caller, LiveToken live, string? role, Refusal? refusal, Origin origin, CancellationToken cancellation)
    {
        var record = DeskAudit.Of(AuditAction.Session, caller, refusal, origin, time) with
        {
            CallerSession = live.Token.Accessor,
            Detail = refusal?.Detail ?? $"client token {what}, at auth/{live.Token.Mount}{(role is null ? "" : $", for {role}")}{(live.Token.SecretId is { } secret ? $", with secret id {secret}" : "")}",
        };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
    }
}
