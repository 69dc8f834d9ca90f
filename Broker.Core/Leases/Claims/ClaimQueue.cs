using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// The claims on one database that are on their way to the ledger: those that arrive while a round trip is under way share the
/// next one. Nothing ever waits to fill a batch. When the ledger does not answer, all that waited while it did not are told so together
/// (law L10): one batch after the other would have them wait as many times as there are batches.
/// </summary>
internal sealed class ClaimQueue(SharedLedger ledger, string database, Func<(PaceSettings Pace, int MostInLine)> terms, BrokerMetrics metrics)
{
    // Bounds the time one script holds Redis.
    private const int MostInBatch = 256;

    private readonly Lock gate = new();
    private readonly Queue<(Claim Claim, TaskCompletionSource<ClaimAnswer> Answer, long Came)> waiting = new();
    private long came;
    private bool underWay;

    /// <summary>Makes a claim.</summary>
    /// <exception cref="LedgerException">The ledger did not answer; the claim may have been made, and may be repeated.</exception>
    public Task<ClaimAnswer> ClaimAsync(Claim claim)
    {
        var answer = new TaskCompletionSource<ClaimAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue((claim, answer, ++came));
            if (underWay) return answer.Task;
            underWay = true;
        }

        _ = SendAllAsync();
        return answer.Task;
    }

    // Those that were there already when the batch was sent.
    private void TakeAllUntil(long last, List<TaskCompletionSource<ClaimAnswer>> answers)
    {
        lock (gate)
        {
            while (waiting.TryPeek(out var next) && next.Came <= last) answers.Add(waiting.Dequeue().Answer);
        }
    }

    private async Task SendAllAsync()
    {
        var claims = new List<Claim>();
        var answers = new List<TaskCompletionSource<ClaimAnswer>>();
        while (true)
        {
            claims.Clear();
            answers.Clear();
            long last;
            lock (gate)
            {
                last = came;
                while (claims.Count < MostInBatch && waiting.TryDequeue(out var next))
                {
                    claims.Add(next.Claim);
                    answers.Add(next.Answer);
                }

                if (claims.Count == 0)
                {
                    underWay = false;
                    return;
                }
            }

            try
            {
                var (pace, mostInLine) = terms();
                using var step = Tracing.Start("claims.decide")?.SetTag("broker.claims", claims.Count);
                var said = await ledger.Claims.ClaimAsync(database, pace, mostInLine, claims, CancellationToken.None);
                step?.Dispose();
                metrics.ClaimBatch(database, claims.Count);
                for (var i = 0; i < said.Count; i++) answers[i].SetResult(said[i]);
            }
            catch (Exception e)
            {
                // Whatever it is, those who wait must hear of it: it is rethrown to each of them.
                if (e is LedgerException) TakeAllUntil(last, answers);
                foreach (var answer in answers) answer.TrySetException(e);
            }
        }
    }
}
