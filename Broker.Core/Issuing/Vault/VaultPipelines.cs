using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Bounds and repeats calls to one Vault. Calls that may be repeated are; issuing is repeated only while nothing
/// can have been sent. Both share one circuit breaker, so that a dead Vault costs each caller almost nothing.
/// </summary>
internal sealed class VaultPipelines
{
    /// <summary>After this many repeats, the caller's own retry (a duty, a pod) is more useful.</summary>
    private const int MaxRetries = 3;

    /// <summary>The breaker judges no fewer attempts than this: two calls with their repeats.</summary>
    public const int BreakerMinimum = 8;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);

    /// <summary>If Vault says to wait longer than this, the caller is answered at once instead of being held.</summary>
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromSeconds(3);

    /// <summary>How long an open circuit blocks calls.</summary>
    public static readonly TimeSpan BreakDuration = TimeSpan.FromSeconds(10);

    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly string issuer;

    /// <param name="timeout">Deadline of one attempt. A repeated call takes twice as long at most.</param>
    /// <param name="time">All waiting is on this clock.</param>
    /// <param name="logger">Logs repeats and the circuit.</param>
    /// <param name="issuer">The issuer's name, for the log.</param>
    public VaultPipelines(TimeSpan timeout, TimeProvider time, ILogger logger, string issuer)
    {
        (this.time, this.logger, this.issuer) = (time, logger, issuer);
        var breaker = Builder().AddCircuitBreaker(Breaker()).Build();
        Repeatable = Build(MayRepeat);
        Issue = Build(outcome => VaultStatus.NothingWasSent(outcome.Exception));
        Health = Builder().AddTimeout(timeout).Build();

        // The inner deadline is inside the breaker, so that a server which is merely silent opens it too.
        ResiliencePipeline<HttpResponseMessage> Build(Func<Outcome<HttpResponseMessage>, bool> mayRepeat) => Builder()
            .AddTimeout(timeout * 2)
            .AddRetry(Retry(mayRepeat))
            .AddPipeline(breaker)
            .AddTimeout(timeout)
            .Build();
    }

    /// <summary>For logins, token and lease calls: sending one twice does no harm.</summary>
    public ResiliencePipeline<HttpResponseMessage> Repeatable { get; }

    /// <summary>For issuing: sent twice, it makes two users.</summary>
    public ResiliencePipeline<HttpResponseMessage> Issue { get; }

    /// <summary>For <c>sys/health</c>: every status is an answer, and it is asked most while the circuit is open.</summary>
    public ResiliencePipeline<HttpResponseMessage> Health { get; }

    private ResiliencePipelineBuilder<HttpResponseMessage> Builder() => new() { TimeProvider = time };

    private HttpRetryStrategyOptions Retry(Func<Outcome<HttpResponseMessage>, bool> mayRepeat) => new()
    {
        ShouldHandle = arguments => ValueTask.FromResult(mayRepeat(arguments.Outcome)),
        MaxRetryAttempts = MaxRetries,
        Delay = FirstDelay,
        BackoffType = DelayBackoffType.Exponential,
        UseJitter = true,
        OnRetry = arguments =>
        {
            Log.Repeating(logger, issuer, arguments.AttemptNumber + 1, arguments.RetryDelay, Reason(arguments.Outcome));
            return default;
        },
    };

    private HttpCircuitBreakerStrategyOptions Breaker() => new()
    {
        ShouldHandle = arguments => ValueTask.FromResult(
            arguments.Outcome.Exception is { } failure
                ? VaultStatus.IsTransport(failure)
                : VaultStatus.IsTrouble(arguments.Outcome.Result!.StatusCode)),
        FailureRatio = 0.5,
        MinimumThroughput = BreakerMinimum,
        SamplingDuration = TimeSpan.FromMinutes(1),
        BreakDuration = BreakDuration,
        OnOpened = arguments =>
        {
            Log.CircuitOpened(logger, issuer, arguments.BreakDuration, Reason(arguments.Outcome));
            return default;
        },
        OnClosed = _ =>
        {
            Log.CircuitClosed(logger, issuer);
            return default;
        },
    };

    private bool MayRepeat(Outcome<HttpResponseMessage> outcome) => outcome switch
    {
        { Exception: BrokenCircuitException } => false,
        { Exception: { } failure } => VaultStatus.IsTransport(failure),
        { Result: { } answer } => VaultStatus.IsPassing(answer.StatusCode)
            && !(VaultReply.RetryAfterOf(answer, time) > LongestRetryAfter),
        _ => false,
    };

    private static string Reason(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception?.GetType().Name ?? $"status {(int)outcome.Result!.StatusCode}";
}
