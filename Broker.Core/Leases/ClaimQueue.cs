using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Leases;

/// <summary>
/// The claims on one database that are on their way to the ledger: those that arrive while a round trip is under way share the
/// next one. Nothing ever waits to fill a batch.
/// </summary>
internal sealed class ClaimQueue(SharedLedger ledger, string database, Func<(PaceSettings Pace, int MostInLine)> terms, BrokerMetrics metrics)
{
    // Bounds the time one script holds Redis.
    private const int MostInBatch = 256;

    private readonly Lock gate = new();
    private readonly Queue<(Claim Claim, TaskCompletionSource<ClaimAnswer> Answer)> waiting = new();
    private bool underWay;

    /// <summary>Makes a claim. Those of a batch go on one after another, so nothing slow may follow without an await.</summary>
    /// <exception cref="LedgerException">The ledger did not answer; the claim may have been made, and may be repeated.</exception>
    public Task<ClaimAnswer> ClaimAsync(Claim claim)
    {
        var answer = new TaskCompletionSource<ClaimAnswer>();
        lock (gate)
        {
            waiting.Enqueue((claim, answer));
            if (underWay) return answer.Task;
            underWay = true;
        }

        _ = SendAllAsync();
        return answer.Task;
    }

    // The next batch is on its way before those of the last one are woken. They go on one after another: a work item for each
    // would cost more than what it has to do.
    private async Task SendAllAsync()
    {
        var batch = Take();
        while (batch is not null)
        {
            var (answers, failure) = await batch.Said;
            var next = Take();
            for (var i = 0; i < batch.Waiting.Count; i++)
            {
                if (failure is null) batch.Waiting[i].SetResult(answers[i]);
                else batch.Waiting[i].SetException(failure);
            }

            batch = next;
        }
    }

    private Batch? Take()
    {
        var claims = new List<Claim>();
        var answers = new List<TaskCompletionSource<ClaimAnswer>>();
        lock (gate)
        {
            while (claims.Count < MostInBatch && waiting.TryDequeue(out var next))
            {
                claims.Add(next.Claim);
                answers.Add(next.Answer);
            }

            underWay = claims.Count > 0;
        }

        return claims.Count > 0 ? new(SendAsync(claims), answers) : null;
    }

    private async Task<(ClaimAnswer[] Answers, Exception? Failure)> SendAsync(List<Claim> claims)
    {
        try
        {
            var (pace, mostInLine) = terms();
            var asking = ledger.ClaimAsync(database, pace, mostInLine, claims, CancellationToken.None);

            // A ledger in the process answers at once; whoever waits must not go on within the call of whoever asked.
            if (asking.IsCompleted) await Task.Yield();
            var said = await asking;
            metrics.ClaimBatch(database, claims.Count);
            return (said, null);
        }
        catch (Exception e)
        {
            // Whatever it is, those who wait must hear of it: it is rethrown to each of them.
            return ([], e);
        }
    }

    private sealed record Batch(Task<(ClaimAnswer[] Answers, Exception? Failure)> Said, List<TaskCompletionSource<ClaimAnswer>> Waiting);
}
