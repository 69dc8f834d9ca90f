using System.Text.Json;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Limits;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>
/// Looks up, unwraps and rewraps what the Vault behind has wrapped: a wrapping token that is none of the broker's may be one of its. That token alone goes there, never
/// one of the broker's; whoever has it needs no other, as in Vault.
/// </summary>
internal sealed class WrappedBehind(UpstreamLogins logins, PassThrough passing, VaultRequests requests, DeskAudit audit, TimeProvider time)
{
    private const string LookUp = "sys/wrapping/lookup";
    private const string Rewrap = "sys/wrapping/rewrap";

    // Longer ones are no tokens of Vault's, also where they are JWTs (X-Vault-Wrap-Format).
    private const int Longest = 4096;

    // Anybody can make up a token: those that are looked for there take turns, as tokens of the broker's own do.
    private readonly FairLine lookups = new(places: 8, mostWaiting: 1000, longest: TimeSpan.FromSeconds(5), time);

    /// <summary>Whether a text may be a wrapping token of the Vault behind.</summary>
    public bool MayHave(string token) => logins.Channel is not null && !ClientTokenText.IsOne(token) && token.Length <= Longest && !token.AsSpan().ContainsAnyExceptInRange('!', '~');

    /// <summary>Answers a call below <c>sys/wrapping/</c> as the Vault behind does.</summary>
    /// <exception cref="VaultError">It refuses, or does not answer.</exception>
    public async ValueTask<VaultReply> AnswerAsync(VaultCall call, string token)
    {
        // Anybody can send a token that nobody ever had: what is looked for in vain is no line in the record of what was given out.
        var found = await LookUpAsync(call, token);
        if (call.Path == LookUp) return found;

        // Vault lets a wrapping token unwrap, and nothing else: whoever rewraps needs a token of his own.
        if (call.Path == Rewrap && call.TokenText is { } own && ClientTokenText.IsOne(own) && await requests.ClientByAsync(call, own) is { } client)
            return Checked(await passing.AskAsync(call, client, call.Path, new() { ["token"] = token }));
        var what = $"PUT {call.Path} at the Vault behind, by a wrapping token of its own";
        await RecordAsync(call, AuditOutcome.Ordered, $"{what}: to be sent");
        try
        {
            var reply = await AskAsync(call, call.Path, new Dictionary<string, string>(), new Secret(token));
            await RecordAsync(call, AuditOutcome.Granted, $"{what}: {reply.Status}");
            return reply;
        }
        catch (VaultError e) when (!e.IsAudited)
        {
            await RecordAsync(call, e.Status >= 500 ? AuditOutcome.Failed : AuditOutcome.Refused, $"{what}: {e.Status}");
            throw;
        }
    }

    private async ValueTask<VaultReply> LookUpAsync(VaultCall call, string token)
    {
        if (!await lookups.EnterAsync(new(ProofGate.FromOf(call.Context), ClientTokenText.IdOf(token)))) throw VaultRequests.NotYet(ProofFailure.TooManyChecks);
        try
        {
            return await AskAsync(call, LookUp, new Dictionary<string, string> { ["token"] = token }, null);
        }
        finally
        {
            lookups.Leave();
        }
    }

    // It is used up by an answer that nobody has: what has begun is completed.
    private async ValueTask<VaultReply> AskAsync(VaultCall call, string path, Dictionary<string, string> fields, Secret? token)
    {
        var upstream = logins.Channel ?? throw VaultError.NoHandler(path);
        var (status, body) = await upstream.AskAsync(path, fields, token, call.Namespace, token is null ? call.Cancellation : Requests.ToItsEnd);
        return Checked(new VaultReply { Status = status, Ready = body });
    }

    private static VaultReply Checked(VaultReply reply) => reply.Status < 300 ? reply : throw new VaultError(reply.Status, ErrorsIn(reply.Ready ?? []));

    private static string[] ErrorsIn(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.TryGetProperty("errors", out var errors) ? [.. errors.EnumerateArray().Select(static error => error.ToString())] : [];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return [];
        }
    }

    private async ValueTask RecordAsync(VaultCall call, AuditOutcome outcome, string detail)
    {
        var record = new AuditRecord { Time = time.GetUtcNow(), Action = AuditAction.Pass, Outcome = outcome, Detail = detail, TraceId = call.Origin.TraceId, ClientAddress = call.Origin.Address };
        if ((await audit.WriteAsync(record, default, Requests.ToItsEnd)).Refusal is { } unrecorded) throw VaultRefusals.Of(unrecorded);
    }
}
