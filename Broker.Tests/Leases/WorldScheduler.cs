using Xunit;

namespace Broker.Tests.Leases;

/// <summary>
/// Runs everything that awaits within a test's world, one piece at a time, and knows when nothing is left to run. So a world's time passes
/// only when everything that could happen at one moment has happened, however slow or busy the machine is.
/// </summary>
internal sealed class WorldScheduler : SynchronizationContext
{
    private const int MostAtOneMoment = 5_000_000;

    private readonly Lock gate = new();
    private readonly Queue<(SendOrPostCallback Work, object? State)> ready = [];
    private readonly Queue<(SendOrPostCallback Work, object? State)> waiting = [];
    private bool running, restless;
    private int ranAtThisMoment;

    /// <summary>Ends when nothing else is left to run.</summary>
    public async Task IdleAsync()
    {
        Assert.Same(this, Current); // whoever awaits elsewhere runs beside the world, and the world would not wait for it
        // A task that completes on the thread pool before it posts here is on its way for one turn of the pool: the second look finds it.
        await new Turn(this);
        await new Turn(this);
        lock (gate) ranAtThisMoment = 0;
        if (restless) throw new TimeoutException($"{MostAtOneMoment:N0} pieces of work ran at one moment of the world's time: something tries again and again without waiting.");
    }

    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (gate)
        {
            ready.Enqueue((d, state));
            Start();
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("A world's work is posted.");

    public override SynchronizationContext CreateCopy() => this;

    private void PostWhenIdle(SendOrPostCallback work, object? state)
    {
        lock (gate)
        {
            waiting.Enqueue((work, state));
            Start();
        }
    }

    private void Start()
    {
        if (running) return;
        running = true;
        ThreadPool.UnsafeQueueUserWorkItem(static world => world.Run(), this, preferLocal: false);
    }

    private void Run()
    {
        SetSynchronizationContext(this);
        try
        {
            // What ran may have left work to the pool: one that waits for the end of all gets its turn in the next run.
            var ran = false;
            while (Next(ref ran) is { } next) next.Work(next.State);
        }
        finally
        {
            SetSynchronizationContext(null);
        }
    }

    private (SendOrPostCallback Work, object? State)? Next(ref bool ran)
    {
        lock (gate)
        {
            if (++ranAtThisMoment > MostAtOneMoment) restless = true;
            if ((restless && waiting.TryDequeue(out var next)) || ready.TryDequeue(out next) || (!ran && waiting.TryDequeue(out next)))
            {
                ran = true;
                return next;
            }

            running = false;
            if (waiting.Count > 0) Start();
            return null;
        }
    }

    private readonly struct Turn(WorldScheduler world) : System.Runtime.CompilerServices.INotifyCompletion
    {
        public bool IsCompleted => false;

        public Turn GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => world.PostWhenIdle(static state => ((Action)state!)(), continuation);
    }
}
