using System.Text;
using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Leases.Handles;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// Response wrapping: with <c>X-Vault-Wrap-TTL</c> an answer is kept for a client with a token that works once
/// (OpenBao website/content/docs/concepts/response-wrapping.mdx).
/// </summary>
internal sealed class Wrapping(WrappedAnswers answers, WrappedBehind behind, VaultRequests requests, TokenReads reads, HandleDesk handles, TokenEnds ends, DeskAudit audit, TimeProvider time) : IVaultEndpoints
{
    private const string Gone = "wrapping token is not valid or does not exist";
    private const int LongestSent = 4096;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(32);

    /// <summary>Keeps an answer, and answers with the token for it. Kept answers are counted by owner: an unproven client keeps nothing here.</summary>
    /// <exception cref="VaultError">Nobody was proven.</exception>
    public async ValueTask<VaultReply> WrapAsync(VaultCall call, VaultReply reply, TimeSpan ttl)
    {
        var owner = await OwnerAsync(call);
        var answer = new WrappedAnswer(Encoding.UTF8.GetString(reply.Body().Span), call.Path, time.GetUtcNow(), ttl < Longest ? ttl : Longest)
        {
            Group = OwnersGroup.Of(owner.Caller, owner.Live.Token.SecretId, call.Origin),
            Workload = OwnersGroup.WorkloadOf(owner.Caller),
        };
        try
        {
            return Wrapped(answer, await answers.WrapAsync(answer, call.Cancellation), reply.Accessor, reply.Warnings);
        }
        catch (Exception e) when (e is LedgerException or OperationCanceledException && call.Client is not null)
        {
            await UndoAsync(call, call.Client, reply);
            throw;
        }
    }

    // What it answers was recorded as granted, and is had by nobody.
    private async ValueTask UndoAsync(VaultCall call, VaultClient client, VaultReply reply)
    {
        await RecordAsync(call, $"the answer to {call.Path} could not be wrapped: nobody has it", client, AuditOutcome.Failed);
        if (call.Operation is VaultOperation.Read && reply.LeaseId.Length > 0) await handles.RevokeAsync(client.Caller, reply.LeaseId, call.Origin, Requests.ToItsEnd);
        if (call.Login is { } login) await ends.UndoAsync(call, client, login);
    }

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call) => call.Path switch
    {
        "sys/wrapping/wrap" => await KeepAsync(call),
        "sys/wrapping/rewrap" => await RewrapAsync(call),
        "sys/wrapping/unwrap" => await UnwrapAsync(call),
        "sys/wrapping/lookup" => await LookUpAsync(call),
        _ => null,
    };

    // Data that the caller sends itself, such as the token in a sink of Vault's Agent. It is wrapped on its way out, like any answer.
    private async ValueTask<VaultReply> KeepAsync(VaultCall call)
    {
        var client = await requests.ClientOfAsync(call, strictly: false);
        call.Must(VaultOperation.Update);
        if (call.WrapTtl is null) throw VaultError.Bad("endpoint requires response wrapping to be used");
        var sent = call.Body.All();
        if (sent.Sum(static field => field.Key.Length + field.Value.GetRawText().Length) > LongestSent)
            throw new VaultError(413, $"what a client wraps itself is at most {LongestSent} letters long");
        if (await RecordAsync(call, "wrapped what it sent", client) is { } refusal) throw VaultRefusals.Of(refusal);
        return new VaultReply
        {
            Data = json =>
            {
                foreach (var (name, value) in sent)
                {
                    json.WritePropertyName(name);
                    json.WriteRawValue(value.GetRawText());
                }
            },
        };
    }

    private async ValueTask<VaultReply> RewrapAsync(VaultCall call)
    {
        call.Must(VaultOperation.Update);
        var token = TokenOf(call) ?? throw VaultError.NoToken();
        if (behind.MayHave(token)) return await behind.AnswerAsync(call, token);
        if (await InTurnAsync(call, token, () => answers.RewrapAsync(token, time.GetUtcNow(), Requests.ToItsEnd)) is not var (was, answer, another)) throw VaultError.Bad(Gone);
        if (await RecordAsync(call, $"wrapped anew the answer to {answer.Path}") is not { } refusal) return Wrapped(answer, another);
        await answers.UnwrapAsync(another.Reveal(), Requests.ToItsEnd);
        throw await PutBackAsync(token, was, refusal);
    }

    private async ValueTask<VaultReply> UnwrapAsync(VaultCall call)
    {
        call.Must(VaultOperation.Update);
        var token = TokenOf(call) ?? throw VaultError.NoToken();
        if (behind.MayHave(token)) return await behind.AnswerAsync(call, token);
        var answer = await InTurnAsync(call, token, () => answers.UnwrapAsync(token, Requests.ToItsEnd)) ?? throw VaultError.Bad(Gone);
        if (await RecordAsync(call, $"unwrapped the answer to {answer.Path} of {answer.WrappedAt:O}") is { } refusal) throw await PutBackAsync(token, answer, refusal);
        return new VaultReply { Ready = Encoding.UTF8.GetBytes(answer.Body) };
    }

    // A client that finds a wrapped answer gone has to conclude that somebody else had it.
    private async ValueTask<VaultError> PutBackAsync(string token, WrappedAnswer answer, Refusal refusal)
    {
        await answers.PutBackAsync(token, answer, time.GetUtcNow(), Requests.ToItsEnd);
        return VaultRefusals.Of(refusal);
    }

    private async ValueTask<VaultReply> LookUpAsync(VaultCall call)
    {
        call.Must(VaultOperation.Read, VaultOperation.Update);
        var token = TokenOf(call) ?? throw VaultError.Bad("missing \"token\" value in input");
        if (behind.MayHave(token)) return await behind.AnswerAsync(call, token);
        var answer = await InTurnAsync(call, token, () => answers.LookUpAsync(token, call.Cancellation)) ?? throw VaultError.Bad(Gone);
        return new VaultReply
        {
            Data = json =>
            {
                json.WriteString("creation_path", answer.Path);
                json.WriteTime("creation_time", answer.WrappedAt);
                json.WriteNumber("creation_ttl", (long)answer.Ttl.TotalSeconds);
            },
        };
    }

    // Anybody can make up a token and have it looked for.
    private async ValueTask<T> InTurnAsync<T>(VaultCall call, string token, Func<ValueTask<T>> look)
    {
        if (!ClientTokenText.IsOne(token)) throw VaultError.Bad(Gone);
        if (!await reads.EnterAsync(ProofGate.FromOf(call.Context), ClientTokenText.IdOf(token))) throw VaultRequests.NotYet(ProofFailure.TooManyChecks);
        try
        {
            return await look();
        }
        finally
        {
            reads.Leave();
        }
    }

    // Some answers need no token: a client that sends one anyway has them wrapped.
    private async ValueTask<VaultClient> OwnerAsync(VaultCall call)
    {
        if (call.Client is null && call.TokenText is { } text) call.Client = await requests.ClientByAsync(call, text);
        return call.Client ?? throw VaultError.Bad("this answer is wrapped for a client with a token alone: log in, or ask without X-Vault-Wrap-TTL");
    }

    private static string? TokenOf(VaultCall call) => call.Body.Text("token") is { Length: > 0 } given ? given : call.TokenText;

    // Null: it is recorded (law L7).
    private async ValueTask<Refusal?> RecordAsync(VaultCall call, string what, VaultClient? client = null, AuditOutcome outcome = AuditOutcome.Granted)
    {
        var record = client is null
            ? new AuditRecord { Time = time.GetUtcNow(), Action = AuditAction.Session, Outcome = outcome, TraceId = call.Origin.TraceId, ClientAddress = call.Origin.Address }
            : DeskAudit.Of(AuditAction.Session, client.Caller, null, call.Origin, time) with { CallerSession = client.Live.Token.Accessor };
        return (await audit.WriteAsync(record with { Detail = what, Outcome = outcome }, default, Requests.ToItsEnd)).Refusal;
    }

    private static VaultReply Wrapped(WrappedAnswer answer, Secret token, string? accessor = null, IReadOnlyList<string>? warnings = null) => new()
    {
        Warnings = warnings ?? [],
        WrapInfo = json =>
        {
            json.WriteString("token", token.Reveal());
            json.WriteString("accessor", TokenReply.NewAccessor());
            json.WriteNumber("ttl", (long)answer.Ttl.TotalSeconds);
            json.WriteTime("creation_time", answer.WrappedAt);
            json.WriteString("creation_path", answer.Path);
            if (accessor is not null) json.WriteString("wrapped_accessor", accessor);
        },
    };
}
