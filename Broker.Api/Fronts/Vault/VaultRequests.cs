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

/// <summary>Finds the client of a call, and records refusals from before any desk (law L7).</summary>
internal sealed class VaultRequests(ClientTokens tokens, DeskAudit audit, UnprovenRefusals unproven, ProofHasher hasher, BrokerMetrics metrics, TimeProvider time)
{
    /// <summary>The client of a call.</summary>
    /// <param name="call">The call.</param>
    /// <param name="strictly">See <see cref="ClientTokens.ProveAsync"/>.</param>
    /// <exception cref="VaultError">There is none, in Vault's words.</exception>
    public async ValueTask<VaultClient> ClientOfAsync(VaultCall call, bool strictly)
    {
        var text = call.TokenText ?? throw VaultError.NoToken();
        var client = await FindAsync(call, text, strictly) ?? throw VaultError.InvalidToken();
        call.Context.SetProof(new Proof(client.Caller)); // for the log's line, should it be refused
        call.Client = client;
        return client;
    }

    /// <summary>The client of a token that a call names; null: none.</summary>
    /// <exception cref="VaultError">It cannot be determined right now.</exception>
    public ValueTask<VaultClient?> ClientByAsync(VaultCall call, string text) => FindAsync(call, text, strictly: false);

    private async ValueTask<VaultClient?> FindAsync(VaultCall call, string text, bool strictly)
    {
        var (proof, live) = await tokens.ProveAsync(call.Context, text, strictly);
        if (proof.Caller is { } caller) return new VaultClient(caller, live!, text);
        var failure = proof.Failure!.Value;
        return failure.MayBeGood() ? throw NotYet(failure) : null;
    }

    /// <summary>The refusal of a token that cannot be checked right now, and may be valid.</summary>
    public static VaultError NotYet(ProofFailure failure) => new(503, failure.Describe()) { RetryAfter = failure.RetryAfter(), ProvesNobody = true };

    /// <summary>The origin of a call, and the proof that proves its caller again after a wait.</summary>
    /// <param name="call">The call.</param>
    /// <param name="client">Its client.</param>
    /// <param name="strictly">See <see cref="ClientTokens.ProveAsync"/>.</param>
    public Origin StandingOriginOf(VaultCall call, VaultClient client, bool strictly) => call.Origin with { Proof = new StandingToken(tokens, call.Context, client.Text, strictly) };

    /// <summary>Writes a refusal into the audit, unless it is there, and a line about it into the log.</summary>
    public async ValueTask RecordAsync(HttpContext context, VaultError error)
    {
        if (error.ProvesNobody) metrics.Unproven();
        var refusal = error.Refusal ?? new Refusal(CodeOf(error.Status), error.Errors.Count > 0 ? error.Errors[0] : "nothing there");
        // Anybody can send a request that proves nobody: it fills neither the record of grants nor the log.
        // Nor does one that proves somebody: what is only counted there is no line here.
        var isTold = error.IsAudited ? !refusal.IsCounted
            : !error.ProvesNobody && context.GetProof()?.Caller is { } caller ? await RecordProvenAsync(context, error.Status, caller, refusal)
            : await RecordUnprovenAsync(context, error.Status, refusal);
        if (isTold) RefusalWriter.Say(context, refusal, error.Role, ShownPath.Of(context.Request));
    }

    /// <summary>Writes what a proven client asked for, and what there was not, into the audit.</summary>
    /// <exception cref="VaultError">It cannot be written.</exception>
    public async ValueTask RecordNothingDoneAsync(VaultCall call, VaultClient client, AuditAction action, Refusal refusal)
    {
        var record = DeskAudit.Of(action, client.Caller, refusal, call.Origin, time) with { CallerSession = client.Live.Token.Accessor };
        if ((await audit.WriteAsync(record, default, Requests.ToItsEnd)).Refusal is { } unrecorded) throw VaultRefusals.Of(unrecorded);
    }

    // True: it is a line by itself. How many of these one caller fills the record with is bounded (CallerRefusals). What is refused stays refused where it cannot be written.
    private async ValueTask<bool> RecordProvenAsync(HttpContext context, int status, Caller caller, Refusal refusal)
    {
        var told = await audit.WriteAsync(
            DeskAudit.Of(AuditAction.Authenticate, caller, refusal, new(context.TraceId(), context.Connection.RemoteIpAddress?.ToString()), time) with
            {
                Detail = $"{context.Request.Method} {ShownPath.Of(context.Request)}: {refusal.Detail}",
                HttpStatus = status,
            },
            refusal,
            Requests.ToItsEnd);
        return told.Refusal is { Code: RefusalCode.AuditUnavailable } ? UnrecordedLines.Has(context) : told.Refusal is { IsCounted: false };
    }

    private ValueTask<bool> RecordUnprovenAsync(HttpContext context, int status, Refusal refusal) =>
        unproven.WriteAsync(
            new()
            {
                Time = time.GetUtcNow(),
                Action = AuditAction.Authenticate,
                Outcome = status >= 500 ? AuditOutcome.Failed : AuditOutcome.Refused,
                CallerProof = VaultCall.TokenOf(context) is { } token ? hasher.Hash(token) : null,
                Refusal = refusal.Code,
                Detail = $"{context.Request.Method} {ShownPath.Of(context.Request)}: {refusal.Detail}",
                TraceId = context.TraceId(),
                ClientAddress = context.Connection.RemoteIpAddress?.ToString(),
                HttpStatus = status,
            },
            AddressName.Of(context.Connection.RemoteIpAddress),
            context.RequestAborted);

    private static RefusalCode CodeOf(int status) => status switch
    {
        403 => RefusalCode.NotAllowed,
        429 => RefusalCode.LimitExceeded,
        >= 500 => RefusalCode.LedgerUnavailable,
        _ => RefusalCode.InvalidRequest,
    };

    private sealed class StandingToken(ClientTokens tokens, HttpContext context, string text, bool strictly) : IStandingProof
    {
        public async ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation) => (await tokens.ProveAsync(context, text, strictly)).Proof.Failure?.Refusal();
    }
}
