using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace LoadTests.FromInside.Simulation;

/// <summary>Makes a plan from a seed.</summary>
internal static class PlanMaker
{
    public const string DatabaseName = "orders";
    public const string IssuerName = "issuer";

    /// <summary>A stream of random numbers of a seed's own for each purpose: leaving a step out disturbs the others as little as may be.</summary>
    public static Random Stream(long seed, int purpose)
    {
        // SplitMix64's finaliser: neighbouring seeds give unrelated streams.
        var mixed = unchecked((ulong)seed * 0x9E3779B97F4A7C15 + (ulong)purpose * 0xD1B54A32D192ED03);
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB);
        return new Random((int)((mixed ^ (mixed >> 31)) & int.MaxValue));
    }

    /// <summary>The plan of a seed.</summary>
    public static Plan Make(long seed) => seed < SharedServer.FirstSeed ? MakeOfOne(seed) : SharedServer.Add(MakeOfOne(seed));

    /// <summary>The plan of a seed, with two databases on its server.</summary>
    public static Plan MakeShared(long seed) => SharedServer.Share(MakeOfOne(seed));

    /// <summary>The plan of a seed with this many more pods, each with its own lease.</summary>
    public static Plan MakeCrowded(long seed, int pods) => Crowd.Of(Stream(seed, 5), MakeMild(seed), pods);

    /// <summary>The plan of a seed in which a hostile writer is at work (law L14), whatever else befalls it.</summary>
    public static Plan MakeHostile(long seed) => Hardships.MakeHostile(MakeMild(seed));

    private static Plan MakeOfOne(long seed) => Breathing.Add(Hardships.Add(MakeMild(seed)));

    private static Plan MakeMild(long seed)
    {
        var random = Stream(seed, 0);
        var manners = random.Next(2) == 0 ? IssuerManners.BuiltIn : IssuerManners.Vault;
        var calmAt = Seconds(random, 30, 80);
        var roles = Roles(random, manners);
        var replicas = random.Next(1, 5);
        var scene = new Scene
        {
            Replicas = replicas,
            ClocksOff = [.. Enumerable.Range(0, replicas).Select(_ => Chance(random, 0.5) ? TimeSpan.Zero : Seconds(random, -600, 600))],
            Database = DatabaseOf(random),
            Roles = roles,
            Waiting = new()
            {
                IssueDeadline = Seconds(random, 5, 20),
                Default = Seconds(random, 2, 10),
                MaxWait = Seconds(random, 10, 30),
                MaxInLine = Chance(random, 0.2) ? 2 : 1000,
            },
            Manners = manners,
            Connections = (random.Next(8, 60), random.Next(0, 4), random.Next(0, 5)),
            CalmAt = calmAt,
        };
        var steps = new List<PlanStep>();
        AddPods(random, scene, steps);
        AddFaults(random, scene, steps);
        return new(seed, scene, steps);
    }

    private static Database DatabaseOf(Random random) => new()
    {
        Name = DatabaseName,
        Engine = DatabaseEngineKind.PostgreSql,
        Server = DatabaseName,
        Host = "db",
        Port = 5432,
        DatabaseName = "app",
        AdminConnectionString = new("Host=db"),
        Budget = new()
        {
            CeilingPercent = Chance(random, 0.6) ? 100 : random.Next(50, 100),
            Ceiling = Chance(random, 0.2) ? random.Next(5, 40) : null,
            SampleEvery = Seconds(random, 0.5, 3),
            StaleAfter = Seconds(random, 5, 15),
        },
        Issuing = new() { UsersPerSecond = random.Next(1, 40) / 2.0, Burst = random.Next(1, 6), InFlight = random.Next(1, 4) },
    };

    private static Role[] Roles(Random random, IssuerManners manners)
    {
        var roles = new Role[random.Next(1, 4)];
        for (var i = 0; i < roles.Length; i++)
        {
            var life = Seconds(random, 12, 60);
            var most = random.Next(2, 8);
            var sharing = random.Next(5) switch { 0 => SharingScope.Workload, 1 => SharingScope.Holder, _ => SharingScope.Role };
            roles[i] = new()
            {
                Name = $"role{i}",
                Database = DatabaseName,
                Issuer = IssuerName,
                VaultPath = manners == IssuerManners.Vault ? $"database/creds/role{i}" : null,
                CreationStatements = ["CREATE"],
                LeaseTtl = life,
                LeaseMaxTtl = life * (1 + 2 * random.NextDouble()),
                Sharing = sharing,
                MaxHoldersPerLease = Chance(random, 0.25) ? random.Next(1, 4) : 500,
                Connections = new() { Default = random.Next(1, most + 1), Min = 1, Max = most, ExpectedHolders = Chance(random, 0.3) ? random.Next(1, 12) : 0 },
                HolderTtl = Seconds(random, 6, 30),
                KeepReady = sharing == SharingScope.Role && Chance(random, 0.15),
                VerifyEvery = Chance(random, 0.5) ? TimeSpan.Zero : Seconds(random, 5, 30),
                EndSessions = Chance(random, 0.3),
                VaultPathExclusive = Chance(random, 0.5),
                IdleTtl = Chance(random, 0.2) ? TimeSpan.Zero : Seconds(random, 1, 10),
                Allow = [new("kubernetes", new Dictionary<string, string> { ["namespace"] = "shop" })],
            };
        }

        return roles;
    }

    private static void AddPods(Random random, Scene scene, List<PlanStep> steps)
    {
        var bursts = random.Next(1, 5);
        for (var burst = 0; burst < bursts; burst++)
        {
            var role = scene.Roles[random.Next(scene.Roles.Count)];
            var at = Seconds(random, 0, scene.CalmAt.TotalSeconds * 0.8);
            var spread = Chance(random, 0.5) ? 0.05 : 10;
            var pods = random.Next(1, 9);
            for (var i = 0; i < pods; i++)
            {
                int? connections = Chance(random, 0.5) ? random.Next(role.Connections.Min, role.Connections.Max + 1) : null;
                steps.Add(new PodStep(steps.Count, at + Seconds(random, 0, spread))
                {
                    Role = role.Name,
                    Account = $"account{random.Next(2)}",
                    Connections = connections,
                    MinConnections = connections is { } most && Chance(random, 0.5) ? random.Next(role.Connections.Min, most + 1) : null,
                    Wait = Chance(random, 0.5) ? Seconds(random, 0, 30) : null,
                    Stays = Seconds(random, 1, 60),
                    Vanishes = Chance(random, 0.3),
                    AsksTwice = Chance(random, 0.15),
                    LeavesAfter = Chance(random, 0.1) ? Seconds(random, 0, 4) : null,
                    ClaimsAgain = Chance(random, 0.2),
                    RenewsLate = Chance(random, 0.2) ? Seconds(random, 0, 10) : TimeSpan.Zero,
                    FillsAtOnce = Chance(random, 0.7),
                });
            }
        }
    }

    private static void AddFaults(Random random, Scene scene, List<PlanStep> steps)
    {
        // Some seeds know no harm at all; the more there is, the less any one law can be held to.
        var faults = Chance(random, 0.1) ? 0 : random.Next(1, 9);
        // A seed draws on a few kinds only: what happens in a world of few troubles is easier to hold to account.
        var kinds = Enumerable.Range(0, 4).Select(_ => (FaultKind)random.Next((int)FaultKind.LedgerReturnsEmpty)).ToArray();
        for (var i = 0; i < faults; i++)
        {
            var kind = kinds[random.Next(kinds.Length)];
            steps.Add(new FaultStep(
                steps.Count, Seconds(random, 0, scene.CalmAt.TotalSeconds), kind, random.Next(1000), Seconds(random, 0.05, Chance(random, 0.5) ? 3 : 25), random.NextDouble()));
        }
    }

    public static bool Chance(Random random, double chance) => random.NextDouble() < chance;

    // To the millisecond, as everything in the ledger.
    public static TimeSpan Seconds(Random random, double least, double most) =>
        TimeSpan.FromMilliseconds((int)((least + (most - least) * random.NextDouble()) * 1000));
}
