using System.Globalization;
using LoadTests.FromInside.Capacity;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// The service times of the capacity model, each measured by itself: what a replica's processor spends on a pod, by processes under a load of one database, and what Redis' thread does, by
/// the ledger alone (<see cref="HotSlot"/>). Idle time is spent on the rounds, and is subtracted from the rest.
/// </summary>
internal static class MeasuredTimes
{
    private const int Databases = 20, WarmPods = 2_000, NewPods = 3_000, NewOneByOne = 800, OneByOneASecond = 80, Again = 30_000, AtOnce = 64, NewAtOnce = 1_000, ColdDatabases = 4, ColdPods = 500, Replicas = 3, Masters = 3, Turns = 3;

    // What finds a replica at rest where pods come now and then: a request, Redis' answer, and the connection's end. The generator: the time to ask, and the answer.
    private const int WakesOfReplica = 3, WakesOfGenerator = 2;

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(10);

    public static async Task<(ServiceTimes Times, IReadOnlyList<HotSlotRow> HotSlot)> MeasureAsync(Action<string> say, CancellationToken cancellation)
    {
        say("what one database's slot carries");
        IReadOnlyList<HotSlotRow> rows;
        await using (var redis = await LocalRedis.StartAsync(cancellation: cancellation))
        await using (var administrator = await redis.AdministerAsync())
            rows = await HotSlot.MeasureAsync(redis.ConnectionString, () => ProcessorTime.OfAsync(administrator), cancellation);

        say("a Redis Cluster that nobody asks");
        TimeSpan atRest;
        await using (var cluster = await LocalRedisCluster.StartAsync(cancellation))
        await using (var administrator = await ConnectionMultiplexer.ConnectAsync($"{cluster.ConnectionString},allowAdmin=true"))
        {
            var before = await ProcessorTime.OfAllAsync(administrator);
            await Task.Delay(Idle, TimeProvider.System, cancellation);
            atRest = (await ProcessorTime.OfAllAsync(administrator) - before) / Masters;
        }

        await using var stage = await Stage.SetAsync(
            new()
            {
                Replicas = Replicas,
                Ledger = LedgerKind.RedisMasters,
                MaxConnections = WarmPods + NewPods + NewOneByOne + ColdPods + 1_000,
                CeilingPercent = 100,
                Connections = 1,
                Configure = static (_, configuration) => ManyDatabases.Multiply(configuration["Broker"]!, Databases, Databases),
            },
            cancellation);
        return (await OfAsync(stage, rows, atRest, say, cancellation), rows);
    }

    private static async Task<ServiceTimes> OfAsync(Stage stage, IReadOnlyList<HotSlotRow> rows, TimeSpan atRest, Action<string> say, CancellationToken cancellation)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync($"{stage.Ledger!.ConnectionString},allowAdmin=true");
        using var pods = new Pods(stage.Brokers[0].Address);
        var tokens = Pods.Tokens(stage.Identity, 0, WarmPods + NewPods + NewOneByOne + (ColdDatabases * ColdPods));
        var warm = tokens[..WarmPods];
        // Each pod of these has a role, and the roles come in turn.
        var spread = Enumerable.Range(0, WarmPods / Databases * Databases).Select(pod => (tokens[pod], (string?)null, ManyDatabases.RoleOf(pod % Databases))).ToArray();

        say("the replica's code is warmed up");
        await NewAsync(warm);
        await AgainAsync(Again, AtOnce);

        say("databases without a lease");
        var issue = await IssueAsync();

        var waiting = Spent.Nothing;
        for (var cold = 0; cold < ColdDatabases; cold++)
        {
            var first = WarmPods + NewPods + NewOneByOne + (cold * ColdPods);
            waiting += await SpentAsync(() => NewAsync(tokens[first..(first + ColdPods)], role: Databases - 1 - cold));
        }

        await pods.ClaimAllAsync(spread, AtOnce, cancellation);

        say("what is spent while nobody asks, by three replicas and by one");
        // After a load .NET goes on compiling what it saw; that is not part of the rounds.
        await Task.Delay(Idle, TimeProvider.System, cancellation);
        var idleOfAll = await SpentAsync(() => Task.Delay(Idle, TimeProvider.System, cancellation));
        foreach (var other in stage.Brokers.Skip(1)) await other.TerminateAsync();
        var idle = await SpentAsync(() => Task.Delay(Idle, TimeProvider.System, cancellation));
        say("claims of pods that ask again: many at once, and many over all databases");
        Spent many = Spent.Nothing, over = Spent.Nothing;
        for (var turn = 0; turn < Turns; turn++)
        {
            many += (await SpentAsync(() => AgainAsync(Again / Turns, AtOnce))).Without(idle);
            over += (await SpentAsync(() => pods.ClaimAllAsync(Enumerable.Range(0, Again / Turns).Select(claim => spread[claim % spread.Length]), AtOnce, cancellation))).Without(idle);
        }

        say("new pods, many at once and now and then");
        var arriving = (await SpentAsync(() => NewAsync(tokens[WarmPods..(WarmPods + NewPods)]))).Without(idle);
        var arrivingSingle = (await SpentAsync(() => NewAsync(tokens[(WarmPods + NewPods)..(WarmPods + NewPods + NewOneByOne)], OneByOneASecond))).Without(idle);

        // Many claims on one database share a trip, and few of those that are spread: what differs is the trips'.
        var (tripsOfMany, tripsOfSpread) = (many.Decisions / Again, over.Decisions / Again);
        var trip = Math.Max(0, (over.Replicas - many.Replicas).TotalMicroseconds / Again / (tripsOfSpread - tripsOfMany));
        var answer = Math.Max(0, (many.Replicas.TotalMicroseconds / Again) - (trip * tripsOfMany));
        var arrival = Math.Max(0, (arriving.Replicas.TotalMicroseconds / NewPods) - answer - (trip * arriving.Decisions / NewPods));
        waiting = waiting.Without(idleOfAll);
        var again = Math.Max(0, ((waiting.Replicas - (arriving.Replicas * ((double)ColdDatabases * ColdPods / NewPods))).TotalMicroseconds) / (ColdDatabases * ColdPods));
        var wake = Math.Max(0, ((arrivingSingle.Replicas.TotalMicroseconds / NewOneByOne) - arrival - answer - trip) / WakesOfReplica);
        var generator = arriving.Generator.TotalMicroseconds / NewPods;
        var (decision, newHolder, _) = HotSlotRow.Split(rows);
        var each = idle.At.TotalSeconds * Databases;
        var (replicaRounds, replicaDuties) = Apart(static spent => spent.Replicas);
        var (redisRounds, redisDuties) = Apart(spent => spent.Redis - (atRest * (Masters * (spent.At / Idle))));
        return new()
        {
            TakenOn = Text($"bench --part rollout, {TimeProvider.System.GetUtcNow():yyyy-MM-dd}, {Environment.ProcessorCount} processors shared by everything, the broker as published, plain HTTP, no fsync of the audit"),
            Arrival = New(arrival, $"a replica's processor for each of {NewPods} new pods, {NewAtOnce} at once, each with a connection and a token of its own, less answer and trips"),
            Answer = New(answer, $"a replica's processor for each of {Again} claims of pods that ask again over connections that are there, {AtOnce} at once, less trips"),
            Trip = New(trip, $"what such claims cost more over {Databases} databases, where {1 / tripsOfSpread:0.0} share a trip, than on one, where {1 / tripsOfMany:0.0} do"),
            Waiting = New(again, $"what each of {ColdPods} new pods at once costs more on a database without a lease, where they wait; {ColdDatabases} such databases, their issues too"),
            ReplicaWake = New(wake, $"a third of what each of {NewOneByOne} new pods costs more that come {OneByOneASecond} a second: the replica is at rest when the request, Redis' answer and the connection's end come"),
            ReplicaRounds = New(replicaRounds, $"the replicas' processors while nobody asks, by what {Replicas} take more than one; {Databases} databases, {idle.At.TotalSeconds:0} s"),
            ReplicaDuties = New(replicaDuties, $"the same of one, less its rounds"),
            Decision = New(decision, $"Redis' processor for a decision about one claim, at work, less the claim"),
            NewHolder = New(newHolder, $"Redis' processor for new holders, decisions about {rows[^1].Batch} and about one, by the difference"),
            RedisWake = New(Math.Max(0, (arrivingSingle.Redis.TotalMicroseconds / NewOneByOne) - decision - newHolder), $"what one of {OneByOneASecond} new pods a second costs Redis more"),
            RedisRounds = New(redisRounds, $"Redis' processor while nobody asks, by what {Replicas} replicas take more than one"),
            RedisDuties = New(redisDuties, $"the same of one replica, less its rounds"),
            MasterAtRest = New(atRest.TotalMicroseconds / Idle.TotalSeconds, $"an empty Redis Cluster of {Masters} masters, {Idle.TotalSeconds:0} s"),
            Issue = New(issue, $"a claim on a database without a lease less one on the same with it, the middle of {Databases - ColdDatabases - 1}"),
            Generator = New(generator, $"the bench's own processor for each new pod, .NET's HttpClient, {NewAtOnce} at once"),
            GeneratorWake = New(Math.Max(0, ((arrivingSingle.Generator.TotalMicroseconds / NewOneByOne) - generator) / WakesOfGenerator), $"half of what one of {OneByOneASecond} a second costs more"),
        };

        (double Rounds, double Duties) Apart(Func<Spent, TimeSpan> of)
        {
            var (ofAll, ofOne) = (of(idleOfAll).TotalMicroseconds / (idleOfAll.At.TotalSeconds * Databases), of(idle).TotalMicroseconds / each);
            var rounds = Math.Clamp((ofAll - ofOne) / (Replicas - 1), 0, ofOne);
            return (rounds, ofOne - rounds);
        }

        async Task<Spent> SpentAsync(Func<Task> work)
        {
            var before = await Spent.ReadAsync(stage, redis);
            await work();
            return (await Spent.ReadAsync(stage, redis)).Since(before);
        }

        // A bounded number at once; or a fixed number a second, whether or not earlier ones are answered.
        async Task NewAsync(string[] coming, int aSecond = 0, int role = 0)
        {
            var address = new Uri(stage.Brokers[0].Address, Pods.ClaimPath(ManyDatabases.RoleOf(role)));
            var (_, _, errors, _) = await PacedPods.ComeAsync(
                [.. coming.Select((token, pod) => new PacedPod(TimeSpan.FromSeconds(aSecond == 0 ? 0 : (double)pod / aSecond), address, token))], aSecond == 0 ? NewAtOnce : 0, cancellation);
            if (errors > 0) throw new UnexpectedAnswerException($"{errors} of {coming.Length} pods were granted nothing.");
        }

        Task AgainAsync(int claims, int atOnce) =>
            pods.ClaimAllAsync(Enumerable.Range(0, claims).Select(claim => (warm[claim % warm.Length], (string?)null, ManyDatabases.RoleOf(0))), atOnce, cancellation);

        async Task<double> IssueAsync()
        {
            var took = new List<double>();
            for (var role = 1; role < Databases - ColdDatabases; role++)
            {
                var cold = await pods.ClaimAsync(warm[0], null, cancellation, ManyDatabases.RoleOf(role));
                took.Add((cold - await pods.ClaimAsync(warm[1], null, cancellation, ManyDatabases.RoleOf(role))).TotalMicroseconds);
            }

            return Percentile.Of(took, 50);
        }
    }

    private static ServiceTime New(double microseconds, FormattableString from) => new(Math.Round(microseconds, 1), Text(from));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
