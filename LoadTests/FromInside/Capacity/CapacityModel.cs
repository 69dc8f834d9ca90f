using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Capacity;

/// <summary>
/// A rollout in virtual time: pods come, replicas prove them, claims go to Redis together, the first of a database has a user made while the others wait, and everybody is answered.
/// Each piece of work takes as long as it was measured to; what comes of it is where the work waits.
/// </summary>
internal sealed class CapacityModel
{
    private const double RoundsEvery = 0.25; // DutyRounds
    private const double LongestSleep = 1; // LedgerSignals
    private const int DecisionsOfAnIssue = 3; // begin, issued, activate

    private static readonly double ComeBackAfter = new WaitingSettings().Default.TotalSeconds;

    private readonly CapacityPlan plan;
    private readonly ServiceTimes times;
    private readonly Agenda agenda = new();
    private readonly Machine? machine;
    private readonly Station[] replicas;
    private readonly Station[] masters;
    private readonly Station? generator;
    private readonly ModelDatabase[] databases;
    private readonly ModelTrips[,] trips;
    private readonly List<double> answers = [];
    private readonly List<double> batches = [];
    private readonly List<double> leaseWaits = [];
    private readonly double halfWay;
    private double replicaWork, masterWork, paced = double.NaN;
    private int sleeping, mostSleeping;

    private CapacityModel(CapacityPlan plan, ServiceTimes times)
    {
        (this.plan, this.times, halfWay) = (plan, times, plan.RoundTrip.TotalSeconds / 2);
        if (plan.Processors > 0) machine = new(agenda, plan.Processors);
        if (machine is not null) generator = new("the load generator", agenda, plan.Processors, times.GeneratorWake.Seconds, machine);
        replicas = [.. Enumerable.Range(1, plan.Replicas).Select(replica => new Station(Numbered("replica", replica), agenda, plan.Cores, times.ReplicaWake.Seconds, machine))];
        masters = [.. Enumerable.Range(1, plan.Masters).Select(master => new Station(Numbered("master", master), agenda, 1, times.RedisWake.Seconds, machine))];
        databases = [.. Enumerable.Range(0, plan.Databases).Select(Database)];
        trips = new ModelTrips[plan.Replicas, plan.Databases];
        for (var replica = 0; replica < plan.Replicas; replica++)
            for (var database = 0; database < plan.Databases; database++)
                trips[replica, database] = Trips(replicas[replica], databases[database]);
    }

    /// <summary>The same plan, times and seed give the same result.</summary>
    public static CapacityResult Run(CapacityPlan plan, ServiceTimes times) => new CapacityModel(plan, times).Run();

    private CapacityResult Run()
    {
        var random = new Random((int)(plan.Seed ^ (plan.Seed >> 32)));
        if (plan.Warm) foreach (var database in databases) database.KeepReady();
        for (var replica = 0; replica < plan.Replicas; replica++) KeepRounds(replica, random.NextDouble() * RoundsEvery);
        foreach (var master in masters) Tick(master);
        for (var pod = 0; pod < plan.Pods; pod++)
        {
            var (replica, database, came) = (random.Next(plan.Replicas), DatabaseOf(pod, random), random.NextDouble() * plan.Rollout.TotalSeconds);
            agenda.In(came, () => Come(new(replicas[replica], trips[replica, database], databases[database], came)));
        }

        agenda.Run(() => answers.Count == plan.Pods);
        return Result();
    }

    private static string Numbered(string what, int number) => string.Create(CultureInfo.InvariantCulture, $"{what} {number}");

    private ModelDatabase Database(int number)
    {
        var name = plan.Addresses?[number] ?? string.Create(CultureInfo.InvariantCulture, $"db-{number:00}");
        var master = HashSlots.MasterOf(HashSlots.Of(LedgerKeys.Of(name)[0]), plan.Masters);
        return new(name, master, plan.MaxHoldersPerLease, plan.Pace, new(name, agenda, plan.Pace.InFlight, beneath: machine));
    }

    private int DatabaseOf(int pod, Random random) =>
        plan.HotPercent == 0 || plan.Databases == 1 ? pod % plan.Databases : random.Next(100) < plan.HotPercent ? 0 : 1 + (pod % (plan.Databases - 1));

    // What a batch costs its replica is half before and half after its way.
    private ModelTrips Trips(Station replica, ModelDatabase database) => new((batch, next) =>
    {
        batches.Add(batch.Count);
        database.Claims += batch.Count;
        OnReplica(replica, times.Trip.Seconds / 2, () => agenda.In(halfWay, () => OnMaster(database, times.Decision.Seconds + (batch.Count * times.NewHolder.Seconds), () =>
        {
            bool[] granted = [.. batch.Select(Decide)];
            agenda.In(halfWay, () => OnReplica(replica, times.Trip.Seconds / 2, () =>
            {
                next();
                for (var i = 0; i < batch.Count; i++)
                {
                    if (granted[i]) Answer(batch[i]);
                    else Sleep(batch[i]);
                }
            }));
        })));
    });

    // A connection is made before anything is asked on it.
    private void Come(ModelPod pod)
    {
        if (generator is null) Connect();
        else generator.Do(times.Generator.Seconds / 2, Connect);

        void Connect() => agenda.In(3 * halfWay, () => OnReplica(pod.Replica, times.Arrival.Seconds, () => pod.Trips.Ask(pod)));
    }

    // In Redis, by what it knows at that moment. Whether the pod is granted a login.
    private bool Decide(ModelPod pod)
    {
        if (pod.Lease is null)
        {
            pod.Lease = pod.Database.Join(agenda.Now, out var startsIn);
            if (startsIn is { } wait) Issue(pod.Database, pod.Lease, wait);
        }

        return pod.Lease.IsActive;
    }

    private void Issue(ModelDatabase database, ModelLease lease, double startsIn)
    {
        if (startsIn >= Tally.Growing && double.IsNaN(paced)) paced = agenda.Now;
        agenda.In((2 * halfWay) + startsIn, () => OnMaster(database, times.Decision.Seconds, () =>
            agenda.In(halfWay, () => database.Issuing.Do(times.Issue.Seconds, () =>
                agenda.In((DecisionsOfAnIssue - 1) * 2 * halfWay, () => OnMaster(database, (DecisionsOfAnIssue - 1) * times.Decision.Seconds, () => Activate(lease)))))));
    }

    private void Activate(ModelLease lease)
    {
        lease.IsActive = true;
        // One message wakes everybody.
        agenda.In(halfWay, () =>
        {
            var woken = lease.Sleepers.ToArray();
            lease.Sleepers.Clear();
            foreach (var pod in woken) AskAgain(pod);
        });
    }

    private void Sleep(ModelPod pod)
    {
        // It became active while the answer was on its way: the signal that was taken before is heard.
        if (pod.Lease!.IsActive)
        {
            AskAgain(pod);
            return;
        }

        mostSleeping = Math.Max(mostSleeping, ++sleeping);
        pod.Lease.Sleepers.Add(pod);
        var since = agenda.Now;
        pod.SleepsFrom = since;
        agenda.In(LongestSleep, () =>
        {
            if (pod.SleepsFrom == since && pod.Lease.Sleepers.Remove(pod)) AskAgain(pod);
        });
    }

    private void AskAgain(ModelPod pod)
    {
        if (pod.SleepsFrom is { } since)
        {
            sleeping--;
            leaseWaits.Add(agenda.Now - since);
            pod.SleepsFrom = null;
        }

        OnReplica(pod.Replica, times.Waiting.Seconds, () => pod.Trips.Ask(pod));
    }

    private void Answer(ModelPod pod) => OnReplica(pod.Replica, times.Answer.Seconds, () =>
    {
        if (generator is null) agenda.In(halfWay, Served);
        else agenda.In(halfWay, () => generator.Do(times.Generator.Seconds / 2, Served));

        void Served()
        {
            answers.Add(agenda.Now - pod.Came);
            // It closes its connection, which is little work but wakes its replica.
            agenda.In(halfWay, () => OnReplica(pod.Replica, 0, static () => { }));
        }
    });

    // The rounds of a replica's databases begin together; the duties of a database are any one replica's.
    private void KeepRounds(int replica, double first)
    {
        agenda.In(first, Go);

        void Go()
        {
            agenda.In(RoundsEvery, Go);
            for (var i = 0; i < databases.Length; i++)
            {
                var isTheirs = i % replicas.Length == replica;
                replicas[replica].Do(RoundsEvery * (times.ReplicaRounds.Seconds + (isTheirs ? times.ReplicaDuties.Seconds : 0)), static () => { });
                masters[databases[i].Master].Do(RoundsEvery * (times.RedisRounds.Seconds + (isTheirs ? times.RedisDuties.Seconds : 0)), static () => { });
            }
        }
    }

    private void Tick(Station master)
    {
        master.Do(RoundsEvery * times.MasterAtRest.Seconds, static () => { });
        agenda.In(RoundsEvery, () => Tick(master));
    }

    private void OnReplica(Station replica, double seconds, Action done)
    {
        replicaWork += replica.Do(seconds, done);
    }

    private void OnMaster(ModelDatabase database, double seconds, Action done)
    {
        masterWork += masters[database.Master].Do(seconds, done);
    }

    private CapacityResult Result()
    {
        List<StationRow> rows = [Row(StationKind.Replica, TalliesOf(replicas)), Row(StationKind.Master, TalliesOf(masters)), Issuings()];
        if (machine is not null) rows.Add(Row(StationKind.Machine, [machine.Tally]));
        var master = Array.IndexOf(masters, masters.MaxBy(static one => one.Tally.Worked));
        var there = databases.Where(database => database.Master == master).ToArray();
        var hottest = there.MaxBy(static database => database.Claims);
        var mostDatabases = databases.GroupBy(static database => database.Master).Max(static group => group.Count());
        var perThousand = 1000.0 / plan.Pods;
        return new(
            plan, rows, agenda.Now, Percentile.Of(answers, 50), Percentile.Of(answers, 99), answers.Max(), replicaWork * perThousand, masterWork * perThousand, replicas.Sum(static one => one.Tally.Worked),
            masters.Sum(static one => one.Tally.Worked), generator?.Tally.Worked ?? 0,
            plan.Databases * (times.ReplicaRounds.Seconds + (times.ReplicaDuties.Seconds / plan.Replicas)),
            times.MasterAtRest.Seconds + (mostDatabases * ((plan.Replicas * times.RedisRounds.Seconds) + times.RedisDuties.Seconds)), Percentile.Of(batches, 50),
            answers.Count(static answer => answer > ComeBackAfter), hottest is null ? 0 : (double)hottest.Claims / Math.Max(1, there.Sum(static database => database.Claims)), hottest?.Name ?? "");
    }

    // A pod that waits for a user waits for the database, or for its pace.
    private StationRow Issuings()
    {
        var all = databases.Select(static database => database.Issuing.Tally).ToArray();
        var busiest = all.MaxBy(static one => one.Utilisation)!;
        return new(
            StationKind.Issuing, all.Length, busiest.Name, busiest.Utilisation, all.Average(static one => one.Utilisation), mostSleeping, Percentile.Of(leaseWaits, 50), Percentile.Of(leaseWaits, 99),
            double.IsNaN(paced) ? all.Min(static one => one.GrowsFrom) : paced);
    }

    private static Tally[] TalliesOf(Station[] stations) => [.. stations.Select(static station => station.Tally)];

    private static StationRow Row(StationKind kind, Tally[] all)
    {
        var busiest = all.MaxBy(static one => one.Utilisation)!;
        double[] waits = [.. all.SelectMany(static one => one.Waits)];
        return new(
            kind, all.Length, busiest.Name, busiest.Utilisation, all.Average(static one => one.Utilisation), all.Max(static one => one.LongestQueue), Percentile.Of(waits, 50), Percentile.Of(waits, 99),
            all.Min(static one => one.GrowsFrom));
    }
}
