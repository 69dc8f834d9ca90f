using System.Diagnostics;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using LoadTests.Servers.LocalServers;

namespace LoadTests.FromInside.Capacity;

/// <summary>
/// How many claims one database can serve: it is one slot, and so one thread of Redis. The ledger itself asks a Redis as fast as it answers, with batches of claims as replicas send them.
/// </summary>
internal static class HotSlot
{
    private const string Database = "hot", Role = "hot";
    private const int AtOnce = 16; // so that Redis never waits for the next

    /// <summary>How many claims share a decision, and how many are made of each kind.</summary>
    private static readonly (int Batch, int Claims)[] Sizes = [(1, 3_000), (8, 8_000), (64, 20_000), (ModelTrips.MostInBatch, 51_200)];

    private static readonly PaceSettings Pace = new();
    private static readonly RoleTerms Terms = new(Role, 0, TimeSpan.FromMinutes(30), 100_000, TimeSpan.FromMinutes(10));

    /// <summary>Measures.</summary>
    /// <param name="connectionString">An empty Redis that nobody else uses.</param>
    /// <param name="processor">How much processor time it has taken since its start.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<IReadOnlyList<HotSlotRow>> MeasureAsync(string connectionString, Func<Task<TimeSpan>> processor, CancellationToken cancellation)
    {
        await using var store = new RedisLedgerStore(RedisConnection.Open(connectionString));
        var ledger = new SharedLedger(store);
        await LeaseAsync(ledger, cancellation);
        var rows = new List<HotSlotRow>();
        var first = 1;
        foreach (var (batch, claims) in Sizes)
        {
            var fresh = await RunAsync(ledger, processor, first, claims, batch, cancellation);
            var again = await RunAsync(ledger, processor, first, claims, batch, cancellation);
            first += claims;
            rows.Add(new(batch, fresh.PerSecond, fresh.Microseconds, again.PerSecond, again.Microseconds));
        }

        return rows;
    }

    private static async Task LeaseAsync(SharedLedger ledger, CancellationToken cancellation)
    {
        const int Most = 1_000_000;
        await ledger.Budgets.SampleAsync(Database, Most, Most, 0, Most, 0, TimeSpan.FromHours(1), cancellation);
        ClaimAnswer.Issue? order = null;
        // A ledger that is new grants nothing for a moment.
        await Poll.UntilAsync(
            async cancel => (order = (await ledger.Claims.ClaimAsync(Database, Pace, Most, [ClaimOf(0)], cancel))[0] as ClaimAnswer.Issue) is not null, TimeSpan.FromSeconds(30), "a new ledger to grant", cancellation);
        var go = await ledger.Issues.BeginAsync(Database, order!.Lease, order.Fence, "hot", Pace, cancellation) as BeginAnswer.Go ?? throw new LedgerException("The ledger let no user be made.");
        if (!await ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence, "hot", "hot", "sealed", TimeSpan.FromHours(24), go.Now, true, cancellation)
            || !await ledger.Issues.ActivateAsync(Database, order.Lease, order.Fence, TimeSpan.FromHours(1), 0.5, null, cancellation))
            throw new LedgerException("The ledger took no lease.");
    }

    private static async Task<(double PerSecond, double Microseconds)> RunAsync(
        SharedLedger ledger, Func<Task<TimeSpan>> processor, int first, int claims, int batch, CancellationToken cancellation)
    {
        var batches = Enumerable.Range(first, claims).Chunk(batch).Select(static pods => Array.ConvertAll(pods, ClaimOf));
        var before = await processor();
        var from = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(batches, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (asked, cancel) =>
        {
            var answers = await ledger.Claims.ClaimAsync(Database, Pace, 0, asked, cancel);
            if (answers.FirstOrDefault(static answer => answer is not ClaimAnswer.Granted) is { } other) throw new LedgerException($"A claim was answered {other}.");
        });
        var took = Stopwatch.GetElapsedTime(from);
        return (claims / took.TotalSeconds, (await processor() - before).TotalMicroseconds / claims);
    }

    private static Claim ClaimOf(int pod) => new(
        $"{Role}.{pod:x16}", Terms, Role, 1, 1, TimeSpan.FromSeconds(10), TimeSpan.Zero, ClaimKind.Claim, $"orders/orders-api-{pod}");
}

/// <summary>Decisions with this many claims each, of new holders and of holders that ask again.</summary>
/// <param name="Batch">Claims that shared a decision.</param>
/// <param name="NewPerSecond">New holders a second.</param>
/// <param name="NewMicroseconds">Redis' processor time for each.</param>
/// <param name="AgainPerSecond">Claims a second of holders that ask again.</param>
/// <param name="AgainMicroseconds">Redis' processor time for each.</param>
internal sealed record HotSlotRow(int Batch, double NewPerSecond, double NewMicroseconds, double AgainPerSecond, double AgainMicroseconds)
{
    /// <summary>What a decision takes by itself, and each claim in it, by the smallest and the largest batch.</summary>
    public static (double Decision, double New, double Again) Split(IReadOnlyList<HotSlotRow> rows)
    {
        var (small, large) = (rows[0], rows[^1]);
        var (fresh, again) = (Each(static row => row.NewMicroseconds), Each(static row => row.AgainMicroseconds));
        return ((small.NewMicroseconds * small.Batch) - (fresh * small.Batch), fresh, again);

        double Each(Func<HotSlotRow, double> of) => ((of(large) * large.Batch) - (of(small) * small.Batch)) / (large.Batch - small.Batch);
    }
}
