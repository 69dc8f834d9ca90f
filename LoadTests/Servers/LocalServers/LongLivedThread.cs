using System.Collections.Concurrent;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// Starts children from one thread that lives as long as this process. The kernel sends the parent-death signal when the
/// *thread* that started the child ends, and a thread of the pool may end at any time.
/// </summary>
internal static class LongLivedThread
{
    private static readonly BlockingCollection<Action> Work = [];

    static LongLivedThread() => new Thread(() =>
    {
        foreach (var action in Work.GetConsumingEnumerable())
            action();
    })
    { IsBackground = true, Name = "starts child processes" }.Start();

    public static Task<T> RunAsync<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                done.SetResult(work());
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        });
        return done.Task;
    }
}
