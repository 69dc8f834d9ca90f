using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Limits;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault;

/// <summary>Who makes a call, and the record of those that are refused before any desk is reached (law L7).</summary>
internal sealed class VaultRequests(ClientTokens tokens, UnprovenRefusals unproven, ProofHasher hasher, TimeProvider time)
{
    /// <summary>Who makes it.</summary>
    /// <param name="call">The call.</param>
    /// <param name="strictly">See <see cref="ClientTokens.ProveAsync"/>.</param>
    /// <exception cref="VaultError">Nobody, in Vault's words.</exception>
    public async ValueTask<VaultClient> ClientOfAsync(VaultCall call, bool strictly)
    {
        var text = call.TokenText ?? throw VaultError.NoToken();
        return await FindAsync(call, text, strictly) ?? throw VaultError.NoToken();
    }

    /// <summary>Who comes by a token that a call names; null: nobody.</summary>
    /// <exception cref="VaultError">It cannot be known right now.</exception>
    public ValueTask<VaultClient?> ClientByAsync(VaultCall call, string text) => FindAsync(call, text, strictly: false);

    private async ValueTask<VaultClient?> FindAsync(VaultCall call, string text, bool strictly)
    {
        var (proof, live) = await tokens.ProveAsync(call.Context, text, strictly);
        if (proof.Caller is { } caller) return new VaultClient(caller, live!, text);
        var failure = proof.Failure!.Value;
        return failure.MayBeGood() ? throw new VaultError(503, failure.Describe()) { RetryAfter = failure.RetryAfter() } : null;
    }

    /// <summary>Where a call came from, and what proves its caller again when it had to wait.</summary>
    public Origin StandingOriginOf(VaultCall call, VaultClient client) => call.Origin with { Proof = new StandingToken(tokens, call.Context, client.Text) };

    /// <summary>Writes a refusal into the audit; what cannot be recorded is refused for that reason.</summary>
    public async ValueTask<VaultError> RecordAsync(HttpContext context, VaultError error)
    {
        if (error.IsAudited) return error;
        // Nobody is proven where no desk was reached, and anybody can ask so: it must not fill the record of what was given out.
        await unproven.WriteAsync(
            new()
            {
                Time = time.GetUtcNow(),
                Action = AuditAction.Authenticate,
                Outcome = error.Status >= 500 ? AuditOutcome.Failed : AuditOutcome.Refused,
                CallerProof = VaultCall.TokenOf(context) is { } token ? hasher.Hash(token) : null,
                Refusal = CodeOf(error.Status),
                Detail = $"{context.Request.Method} {ShownPath.Of(context.Request)}: {(error.Errors.Count > 0 ? error.Errors[0] : "nothing there")}",
                TraceId = context.TraceId(),
                ClientAddress = context.Connection.RemoteIpAddress?.ToString(),
                HttpStatus = error.Status,
            },
            AddressName.Of(context.Connection.RemoteIpAddress),
            context.RequestAborted);
        return error;
    }

    private static RefusalCode CodeOf(int status) => status switch
    {
        403 => RefusalCode.NotAllowed,
        429 => RefusalCode.LimitExceeded,
        >= 500 => RefusalCode.LedgerUnavailable,
        _ => RefusalCode.InvalidRequest,
    };

    private sealed class StandingToken(ClientTokens tokens, HttpContext context, string text) : IStandingProof
    {
        public async ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation) => (await tokens.ProveAsync(context, text, strictly: true)).Proof.Failure?.Refusal();
    }
}
