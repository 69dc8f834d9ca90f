using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Authentication.Certificates;
using Broker.Core.Catalog;
using Broker.Core.Limits;
using Broker.Core.Model;

namespace Broker.Api.Authentication;

/// <summary>
/// The single path from a request's token to its caller: remembered tokens at once, the broker's own tokens by their makers, all others
/// by <see cref="CallerProver"/>. Every token is checked, whatever came before it from the same address, which many callers share in a service mesh or
/// behind address translation. An address that has sent many invalid tokens is only no longer told what is wrong with each further
/// invalid one.
/// </summary>
internal sealed class ProofGate(CallerProver prover, SessionTokens sessions, AdminTokens admins, LimitSettings limits, TimeProvider time, ILogger<ProofGate> log)
{
    private const double SaidPerSecond = 1.0 / 60;

    private readonly RateLimit failures = new(time);
    private readonly RateLimit said = new(time);

    /// <summary>How many addresses it remembers because of invalid tokens.</summary>
    public int Addresses => failures.Count;

    /// <summary>Who a token proves, for this request.</summary>
    public ValueTask<Proof> ProveAsync(HttpContext context, ReadOnlyMemory<char> token) =>
        !IsOwn(token.Span) && prover.TryRecall(token.Span, out var caller)
            ? new(Certified(context, new Proof(caller)))
            : token.IsEmpty ? new(new Proof(ProofFailure.NoToken)) : ProveSlowlyAsync(context, token);

    /// <summary>Whether the token of a long-running request still proves its caller; counts nothing.</summary>
    public async ValueTask<Proof> ProveAgainAsync(HttpContext context, ReadOnlyMemory<char> token, CancellationToken cancellation) =>
        Certified(context, await CheckAsync(token, FromOf(context), cancellation));

    /// <summary>Who a token proves that did not come as a request's own: counts nothing, and needs no certificate.</summary>
    /// <param name="token">The token.</param>
    /// <param name="from">A key that stands for the address of whoever asks.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public ValueTask<Proof> ExamineAsync(ReadOnlyMemory<char> token, string from, CancellationToken cancellation) => CheckAsync(token, from, cancellation);

    private async ValueTask<Proof> ProveSlowlyAsync(HttpContext context, ReadOnlyMemory<char> token)
    {
        using var step = Tracing.Start("request.prove");
        var from = FromOf(context);
        var proof = Certified(context, await CheckAsync(token, from, context.RequestAborted));
        if (proof.Failure is not { } failure || !failure.IsNobodys() || failures.Take(from, limits.FailedProofsPerSecond, limits.FailedProofs) is null) return proof;
        if (said.Take(from, SaidPerSecond, 1) is null) log.AddressSlowed(from);
        return new Proof(ProofFailure.TooManyFailures);
    }

    private ValueTask<Proof> CheckAsync(ReadOnlyMemory<char> token, string from, CancellationToken cancellation) =>
        token.Span.StartsWith(SessionToken, StringComparison.Ordinal) ? sessions.ProveAsync(token, from, cancellation)
        : token.Span.StartsWith(AdminTokens.Prefix, StringComparison.Ordinal) ? new(token.Length > CallerProver.MaxTokenLength ? new Proof(ProofFailure.TooLong) : admins.Prove(token.Span))
        : prover.ProveAsync(token, from, cancellation);

    /// <summary>The key that stands for a request's address, by which checks take turns.</summary>
    public static string FromOf(HttpContext context) => AddressName.Of(context.Connection.RemoteIpAddress);

    /// <summary>The proof, if the caller also presents the client certificate that it must present, and that is still good: a connection outlives one.</summary>
    public static Proof Certified(HttpContext context, Proof proof) =>
        proof.Caller?.SpiffeId is not { } id
        || (context.Connection.ClientCertificate is { } certificate && SpiffeIds.Holds(certificate, id)
            && certificate.NotAfter.ToUniversalTime() > context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow()
            && context.RequestServices.GetService<LiveCertificates>()?.StillBelieves(certificate) != false)
            ? proof
            : new Proof(ProofFailure.CertificateMissing);

    private const string SessionToken = Core.Sessions.SessionToken.Prefix;

    private static bool IsOwn(ReadOnlySpan<char> token) => token.StartsWith("br", StringComparison.Ordinal) && token.Length > 4 && token[3] == '_';
}
