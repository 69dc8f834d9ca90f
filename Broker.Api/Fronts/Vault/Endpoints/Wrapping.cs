using System.Text;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// Response wrapping: with <c>X-Vault-Wrap-TTL</c> an answer is kept for whoever shows a token that is good once
/// (OpenBao website/content/docs/concepts/response-wrapping.mdx).
/// </summary>
internal sealed class Wrapping(WrappedAnswers answers, IAudit audit, TimeProvider time) : IVaultEndpoints
{
    private const string Gone = "wrapping token is not valid or does not exist";
    private static readonly TimeSpan Longest = TimeSpan.FromDays(32);

    /// <summary>Keeps an answer, and answers how to get it.</summary>
    public async ValueTask<VaultReply> WrapAsync(VaultCall call, VaultReply reply, TimeSpan ttl)
    {
        var answer = new WrappedAnswer(Encoding.UTF8.GetString(reply.Body().Span), call.Path, time.GetUtcNow(), ttl < Longest ? ttl : Longest);
        var token = await answers.WrapAsync(answer, call.Cancellation);
        return new VaultReply
        {
            Warnings = reply.Warnings,
            WrapInfo = json =>
            {
                json.WriteString("token", token.Reveal());
                json.WriteString("accessor", TokenReply.NewAccessor());
                json.WriteNumber("ttl", (long)answer.Ttl.TotalSeconds);
                json.WriteTime("creation_time", answer.WrappedAt);
                json.WriteString("creation_path", answer.Path);
                if (reply.Accessor is { } wrapped) json.WriteString("wrapped_accessor", wrapped);
            },
        };
    }

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (call.Path is not ("sys/wrapping/unwrap" or "sys/wrapping/lookup")) return null;
        var isLookup = call.Path == "sys/wrapping/lookup";
        if (!(isLookup && call.Operation == VaultOperation.Read)) call.Must(VaultOperation.Update);
        var token = call.Body.Text("token") is { Length: > 0 } given ? given : call.TokenText ?? throw (isLookup ? VaultError.Bad("missing \"token\" value in input") : VaultError.NoToken());
        if (isLookup) return LookUp(await answers.LookUpAsync(token, call.Cancellation) ?? throw VaultError.Bad(Gone));

        var answer = await answers.UnwrapAsync(token, Requests.ToItsEnd) ?? throw VaultError.Bad(Gone);
        await audit.WriteAsync(
            new()
            {
                Time = time.GetUtcNow(),
                Action = AuditAction.Session,
                Outcome = AuditOutcome.Granted,
                Detail = $"unwrapped the answer to {answer.Path} of {answer.WrappedAt:O}",
                TraceId = call.Origin.TraceId,
                ClientAddress = call.Origin.Address,
            },
            Requests.ToItsEnd);
        return new VaultReply { Ready = Encoding.UTF8.GetBytes(answer.Body) };
    }

    private static VaultReply LookUp(WrappedAnswer answer) => new()
    {
        Data = json =>
        {
            json.WriteString("creation_path", answer.Path);
            json.WriteTime("creation_time", answer.WrappedAt);
            json.WriteNumber("creation_ttl", (long)answer.Ttl.TotalSeconds);
        },
    };
}
