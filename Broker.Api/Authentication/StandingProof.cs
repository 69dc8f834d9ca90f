using Broker.Core.Identity;
using Broker.Core.Model;

namespace Broker.Api.Authentication;

/// <summary>
/// The proof of a long-running request: its <see cref="Token"/> is cancelled when the caller leaves, when its token
/// expires or is no longer trusted, and within a second of its session's revocation. Whatever is handed out in the meantime asks
/// <see cref="RequestProof"/> each time.
/// </summary>
internal sealed class StandingProof : IAsyncDisposable
{
    // A session is checked every second; other tokens less often, so that watchers do not cost their cluster a review every few seconds each.
    private static readonly TimeSpan SessionEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan TokenEvery = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource ended;
    private readonly Task looking;

    public StandingProof(HttpContext context, TimeProvider time)
    {
        ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        looking = LookAsync(context.ProvenCaller(), new RequestProof(context), time);
    }

    public CancellationToken Token => ended.Token;

    public async ValueTask DisposeAsync()
    {
        await ended.CancelAsync();
        await looking;
        ended.Dispose();
    }

    private async Task LookAsync(Caller caller, RequestProof proof, TimeProvider time)
    {
        var every = caller.Session is null ? TokenEvery : SessionEvery;
        try
        {
            while (true)
            {
                // A session's end moves when it is renewed; only the ledger knows it.
                var left = caller.Session is null ? caller.ExpiresAt - time.GetUtcNow() : every;
                if (left <= TimeSpan.Zero || await proof.WhyNotAsync(ended.Token) is { RetryAfter: null }) break;
                await Task.Delay(left < every ? left : every, time, ended.Token);
            }

            await ended.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // The request ended first.
        }
    }
}

/// <summary>Proves the caller of a request again, with the token that came with it.</summary>
internal sealed class RequestProof(HttpContext context) : IStandingProof
{
    public async ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation)
    {
        var gate = context.RequestServices.GetRequiredService<ProofGate>();
        var proof = await gate.ProveAgainAsync(context, context.SentToken(), cancellation);
        return proof.Failure?.Refusal();
    }
}
