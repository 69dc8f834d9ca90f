using System.Diagnostics;
using LoadTests.Servers.Stages;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>What a stage's servers and we have spent since their starts, or between two moments.</summary>
/// <param name="At">The moment, by the stopwatch; or how long it took.</param>
/// <param name="Replicas">Processor time of all replicas.</param>
/// <param name="Redis">Of all servers of Redis.</param>
/// <param name="Generator">Of this process.</param>
/// <param name="Machine">Of everything on the machine, by the kernel (Linux).</param>
/// <param name="Decisions">Decisions that Redis took.</param>
internal sealed record Spent(TimeSpan At, TimeSpan Replicas, TimeSpan Redis, TimeSpan Generator, TimeSpan Machine, double Decisions)
{
    public static Spent Nothing { get; } = new(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, 0);

    public static Spent operator +(Spent one, Spent other) =>
        new(one.At + other.At, one.Replicas + other.Replicas, one.Redis + other.Redis, one.Generator + other.Generator, one.Machine + other.Machine, one.Decisions + other.Decisions);

    public static async Task<Spent> ReadAsync(Stage stage, IConnectionMultiplexer redis)
    {
        var decisions = await RedisInfo.DecisionsAsync(redis);
        var replicas = stage.Brokers.Where(static broker => !broker.HasExited).Aggregate(TimeSpan.Zero, static (sum, broker) => sum + ProcessorTime.Of(broker.ProcessId));
        return new(Stopwatch.GetElapsedTime(0), replicas, await ProcessorTime.OfAllAsync(redis), ProcessorTime.Of(Environment.ProcessId), ProcessorTime.OfMachine(), decisions);
    }

    /// <summary>What was spent since an earlier moment.</summary>
    public Spent Since(Spent before) => new(At - before.At, Replicas - before.Replicas, Redis - before.Redis, Generator - before.Generator, Machine - before.Machine, Decisions - before.Decisions);

    /// <summary>The same without what idle processes spend.</summary>
    /// <param name="idle">What was spent in a time in which nobody asked.</param>
    public Spent Without(Spent idle) =>
        this with { Replicas = Replicas - (idle.Replicas * Part(idle)), Redis = Redis - (idle.Redis * Part(idle)), Decisions = Decisions - (idle.Decisions * Part(idle)) };

    private double Part(Spent idle) => At / idle.At;
}
