using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>All there is in one simulation: replicas, pods, and the servers they use.</summary>
internal sealed class World : IDisposable
{
    private readonly List<Replica> replicas = [];
    private readonly List<Pod> pods = [];
    private readonly Actor self;
    private int traces;

    public World(Plan plan, bool keepTrace, Func<Decision, string>? scripts = null)
    {
        Plan = plan;
        Timeline = new(PlanMaker.Stream(plan.Seed, 1));
        Trace = new(Timeline, keepTrace);
        self = new(Timeline, "world");
        Clock = new(Timeline, self);
        Ledger = new(Timeline, new(Timeline, "ledger"), scripts, plan.OnDisk, plan.Scene.Databases.Select(AddressOf));
        Database = new(Timeline, self, plan.Scene.Connections.Limit, plan.Scene.Connections.Reserved) { Foreign = plan.Scene.Connections.Foreign };
        Issuer = new(Timeline, self, Database, plan.Scene.Manners, PlanMaker.Stream(plan.Seed, 2));
        Catalog = new StandingCatalog(new(
            plan.Scene.Databases.ToDictionary(database => database.Name),
            new Dictionary<string, IssuerDefinition> { [PlanMaker.IssuerName] = new BuiltInIssuerDefinition(PlanMaker.IssuerName) },
            plan.Scene.Roles.ToDictionary(role => role.Name),
            new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], [])));
        Laws = new(this);
        Misfortune = new(this);
    }

    public Plan Plan { get; }

    public Timeline Timeline { get; }

    public Trace Trace { get; }

    /// <summary>True time, with which ledger, database and pods agree.</summary>
    public ActorClock Clock { get; }

    public LedgerServer Ledger { get; }

    public DatabaseServer Database { get; }

    public IssuerServer Issuer { get; }

    public ICatalog Catalog { get; }

    public Laws Laws { get; }

    public Misfortune Misfortune { get; }

    /// <summary>Seals what stands in the ledger.</summary>
    public OpenSeal Seal { get; } = new();

    public IReadOnlyList<Replica> Replicas => replicas;

    public IReadOnlyList<Pod> Pods => pods;

    public TimeSpan Now => Timeline.Now;

    public static Caller CallerOf(string account, string pod) => new(
        "kubernetes",
        $"system:serviceaccount:shop:{account}",
        new[]
        {
            ("kubernetes.io/namespace", "shop"), ("kubernetes.io/serviceaccount/name", account), ("kubernetes.io/pod/name", pod), ("kubernetes.io/pod/uid", "uid-" + pod),
        }.ToLookup(claim => claim.Item1, claim => claim.Item2, StringComparer.Ordinal),
        DateTimeOffset.MaxValue);

    /// <summary>Where a database's records are in the ledger.</summary>
    public static string AddressOf(Database database) => LedgerKeys.Address(database.Server!, database.Name);

    /// <summary>Where the records of a role's database are.</summary>
    public string AddressOf(string role) => AddressOf(Catalog.Current.Databases[Catalog.Current.Roles[role].Database]);

    /// <summary>Has something happen in the world itself.</summary>
    public Alarm At(TimeSpan when, Action work) => Timeline.At(self, when, work);

    public string NextTrace() => $"t{++traces}";

    public Replica AddReplica()
    {
        var off = Plan.Scene.ClocksOff[replicas.Count % Plan.Scene.ClocksOff.Count];
        var replica = new Replica(this, replicas.Count, off);
        replicas.Add(replica);
        replica.Start();
        return replica;
    }

    /// <summary>One of the replicas that take requests, frozen ones included; null when there is none.</summary>
    public Replica? AnyReplica(Random random)
    {
        var there = replicas.Where(replica => !replica.Actor.IsDead && !replica.IsStopping).ToArray();
        return there.Length == 0 ? null : there[random.Next(there.Length)];
    }

    public Pod AddPod(PodStep step)
    {
        var pod = new Pod(this, step);
        pods.Add(pod);
        pod.Begin();
        return pod;
    }

    public void Begin()
    {
        Laws.Watch();
        for (var i = 0; i < Plan.Scene.Replicas; i++) AddReplica();
        Laws.Belongings?.Begin();
        foreach (var step in Plan.Steps)
        {
            At(step.At, () =>
            {
                if (step is FaultStep fault) Misfortune.Befall(fault);
                else if (step is PodStep come) AddPod(come);
            });
        }
    }

    public void Dispose()
    {
        foreach (var replica in replicas) replica.Dispose();
        Ledger.Dispose();
    }

    private sealed class StandingCatalog(CatalogSnapshot current) : ICatalog
    {
        public event Action<CatalogSnapshot>? Swapped
        {
            add { }
            remove { }
        }

        public CatalogSnapshot Current => current;
    }
}
