namespace LoadTests.FromInside.Simulation;

/// <summary>Threads for worlds: a world stays on the one it began on.</summary>
internal static class Threads
{
    /// <summary>Does the work for each number from 0, with a bounded number at once.</summary>
    public static void Run(int count, int jobs, Action<int> work)
    {
        var next = -1;
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, Math.Min(count, jobs)).Select(_ => new Thread(Work) { IsBackground = true }).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        if (failures.Count > 0) throw new AggregateException(failures);

        void Work()
        {
            try
            {
                while (Interlocked.Increment(ref next) is var at && at < count) work(at);
            }
            catch (Exception e)
            {
                lock (failures) failures.Add(e);
                Interlocked.Exchange(ref next, count);
            }
        }
    }
}
