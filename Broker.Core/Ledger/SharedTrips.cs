namespace Broker.Core.Ledger;

/// <summary>
/// Batches questions to the ledger: those that arrive during a round trip share the next one. Nothing ever waits to fill a
/// batch. When the ledger does not answer, all that waited meanwhile fail together (law L10): failing one batch after the other
/// would make them wait once per batch.
/// </summary>
/// <param name="send">Takes a batch to the ledger; answers in its order.</param>
internal sealed class SharedTrips<TAsked, TAnswer>(Func<IReadOnlyList<TAsked>, ValueTask<IReadOnlyList<TAnswer>>> send)
{
    // Bounds the time one script holds Redis.
    private const int MostInBatch = 256;

    private readonly Lock gate = new();
    private readonly Queue<(TAsked Asked, TaskCompletionSource<TAnswer> Answer, long Came)> waiting = new();
    private long came;
    private bool underWay;

    /// <summary>Asks.</summary>
    /// <exception cref="LedgerException">The ledger did not answer; it may have decided, and may be asked again.</exception>
    public Task<TAnswer> AskAsync(TAsked asked)
    {
        var answer = new TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue((asked, answer, ++came));
            if (underWay) return answer.Task;
            underWay = true;
        }

        _ = SendAllAsync();
        return answer.Task;
    }

    // The questions that were already there when the batch was sent.
    private void TakeAllUntil(long last, List<TaskCompletionSource<TAnswer>> answers)
    {
        lock (gate)
        {
            while (waiting.TryPeek(out var next) && next.Came <= last) answers.Add(waiting.Dequeue().Answer);
        }
    }

    private async Task SendAllAsync()
    {
        var batch = new List<TAsked>();
        var answers = new List<TaskCompletionSource<TAnswer>>();
        while (true)
        {
            batch.Clear();
            answers.Clear();
            long last;
            lock (gate)
            {
                last = came;
                while (batch.Count < MostInBatch && waiting.TryDequeue(out var next))
                {
                    batch.Add(next.Asked);
                    answers.Add(next.Answer);
                }

                if (batch.Count == 0)
                {
                    underWay = false;
                    return;
                }
            }

            try
            {
                var said = await send(batch);
                for (var i = 0; i < said.Count; i++) answers[i].SetResult(said[i]);
            }
            catch (Exception e)
            {
                // The waiters must hear of any failure: it is rethrown to each of them.
                if (e is LedgerException) TakeAllUntil(last, answers);
                foreach (var answer in answers) answer.TrySetException(e);
            }
        }
    }
}
