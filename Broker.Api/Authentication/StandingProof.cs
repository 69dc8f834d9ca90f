using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Identity;

namespace Broker.Api.Authentication;

/// <summary>
/// The proof of a request that goes on for long: its <see cref="Token"/> is cancelled when the caller leaves, when its token
/// ends, and within a second of its session's revocation.
/// </summary>
internal sealed class StandingProof : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    private readonly CancellationTokenSource ended;
    private readonly Task looking;

    public StandingProof(HttpContext context, SessionTokens sessions, TimeProvider time)
    {
        ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        looking = LookAsync(context.ProvenCaller(), sessions, time);
    }

    public CancellationToken Token => ended.Token;

    public async ValueTask DisposeAsync()
    {
        await ended.CancelAsync();
        await looking;
        ended.Dispose();
    }

    private async Task LookAsync(Caller caller, SessionTokens sessions, TimeProvider time)
    {
        try
        {
            while (true)
            {
                var left = caller.ExpiresAt - time.GetUtcNow();
                if (caller.Session is null ? left <= TimeSpan.Zero : await sessions.IsOverAsync(caller.Session, ended.Token)) break;
                await Task.Delay(caller.Session is not null ? LookEvery : left < TimeSpan.FromMinutes(1) ? left : TimeSpan.FromMinutes(1), time, ended.Token);
            }

            await ended.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // The request ended first.
        }
    }
}
