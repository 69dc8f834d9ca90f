using System.Globalization;
using System.Threading.RateLimiting;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Authentication.Certificates;
using Broker.Core.Catalog;

namespace Broker.Api.Authentication;

/// <summary>
/// The one way from a request's token to its caller: remembered tokens at once, the broker's own by their makers, all others
/// by <see cref="CallerProver"/>. An address from which many tokens proved nobody waits for each further one.
/// </summary>
internal sealed class ProofGate : IAsyncDisposable
{
    // An address that is slowed may have so many tokens wait.
    private const int MostWaiting = 20;

    private readonly CallerProver prover;
    private readonly SessionTokens sessions;
    private readonly AdminTokens admins;
    private readonly ILogger<ProofGate> log;
    private readonly PartitionedRateLimiter<string> failures;

    public ProofGate(CallerProver prover, SessionTokens sessions, AdminTokens admins, LimitSettings limits, ILogger<ProofGate> log)
    {
        (this.prover, this.sessions, this.admins, this.log) = (prover, sessions, admins, log);
        failures = PartitionedRateLimiter.Create<string, string>(address => RateLimitPartition.GetTokenBucketLimiter(address, _ => OptionsOf(limits)));
    }

    /// <summary>Who a token proves, for this request.</summary>
    public ValueTask<Proof> ProveAsync(HttpContext context, ReadOnlyMemory<char> token) =>
        !IsOwn(token.Span) && prover.TryRecall(token.Span, out var caller)
            ? new(Certified(context, new Proof(caller)))
            : token.IsEmpty ? new(new Proof(ProofFailure.NoToken)) : ProveSlowlyAsync(context, token);

    /// <summary>Who a token proves, apart from any request: nothing is counted, and no certificate is asked for.</summary>
    public ValueTask<Proof> ExamineAsync(ReadOnlyMemory<char> token, CancellationToken cancellation) => CheckAsync(token, cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => failures.DisposeAsync();

    private async ValueTask<Proof> ProveSlowlyAsync(HttpContext context, ReadOnlyMemory<char> token)
    {
        var address = context.Connection.RemoteIpAddress?.ToString() ?? "";
        // Asking for none would succeed on any fraction of a permit.
        if (failures.GetStatistics(address) is { CurrentAvailablePermits: < 1 } && !await WaitAsync(address, context.RequestAborted))
            return new Proof(ProofFailure.TooManyFailures);

        var proof = Certified(context, await CheckAsync(token, context.RequestAborted));
        if (proof.Failure is { } failure && !failure.MayBeGood())
        {
            using var counted = failures.AttemptAcquire(address);
        }

        return proof;
    }

    private ValueTask<Proof> CheckAsync(ReadOnlyMemory<char> token, CancellationToken cancellation) =>
        token.Span.StartsWith(SessionToken, StringComparison.Ordinal) ? sessions.ProveAsync(token, cancellation)
        : token.Span.StartsWith(AdminTokens.Prefix, StringComparison.Ordinal) ? new(token.Length > CallerProver.MaxTokenLength ? new Proof(ProofFailure.TooLong) : admins.Prove(token.Span))
        : prover.ProveAsync(token, cancellation);

    private async ValueTask<bool> WaitAsync(string address, CancellationToken cancellation)
    {
        log.AddressSlowed(address);
        using var lease = await failures.AcquireAsync(address, 1, cancellation);
        return lease.IsAcquired;
    }

    private static Proof Certified(HttpContext context, Proof proof) =>
        proof.Caller?.SpiffeId is not { } id || (context.Connection.ClientCertificate is { } certificate && SpiffeIds.Holds(certificate, id))
            ? proof
            : new Proof(ProofFailure.CertificateMissing);

    private const string SessionToken = Core.Sessions.SessionToken.Prefix;

    private static bool IsOwn(ReadOnlySpan<char> token) => token.StartsWith("br", StringComparison.Ordinal) && token.Length > 4 && token[3] == '_';

    private static TokenBucketRateLimiterOptions OptionsOf(LimitSettings limits)
    {
        // A replenishment comes at most ten times a second and brings whole tokens.
        var each = Math.Max(1, (int)Math.Round(limits.FailedProofsPerSecond / 10));
        return new()
        {
            TokenLimit = limits.FailedProofs,
            TokensPerPeriod = each,
            ReplenishmentPeriod = TimeSpan.FromSeconds(each / limits.FailedProofsPerSecond),
            QueueLimit = MostWaiting,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
            AutoReplenishment = true,
        };
    }
}
