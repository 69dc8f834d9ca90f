namespace LoadTests.FromInside.Simulation;

/// <summary>A process's clock: its hands may be off, its seconds are as long as everybody's.</summary>
internal sealed class ActorClock(Timeline timeline, Actor owner) : TimeProvider
{
    public static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>How far its hands are off.</summary>
    public TimeSpan Off { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => Start + timeline.Now + Off;

    public override long GetTimestamp() => timeline.Now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (period != Timeout.InfiniteTimeSpan && period != TimeSpan.Zero) throw new NotSupportedException("Nothing in the core rings again and again.");
        var timer = new AlarmTimer(timeline, owner, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class AlarmTimer(Timeline timeline, Actor owner, Action ring) : ITimer
    {
        private Alarm? alarm;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            alarm?.TurnOff();
            alarm = dueTime == Timeout.InfiniteTimeSpan ? null : timeline.At(owner, timeline.Now + dueTime, ring);
            return true;
        }

        public void Dispose() => alarm?.TurnOff();

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
