using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Broker.Core;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Duties;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Handles;
using Broker.Core.Leases.History;
using Broker.Core.Leases.Holders;
using Broker.Core.Leases.Issues;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Identity;
using Broker.Tests.Ledger;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Several replicas on one ledger, with the real rules and a clock of the test's; the issuer and the database are doubles.</summary>
internal sealed class World : IAsyncDisposable
{
    private readonly List<Replica> replicas = [];
    private readonly WorldScheduler scheduler = new();
    private readonly IDataProtectionProvider keys = new EphemeralDataProtectionProvider();

    public World(Role? role = null, Database? database = null, int capacity = 100, params (Database Database, Role Role)[] further)
    {
        // What the test that makes the world awaits from here on, and so all that it starts, runs on the world's scheduler.
        SynchronizationContext.SetSynchronizationContext(scheduler);
        Clock.AutoAdvanceAmount = TimeSpan.Zero;
        LedgerClock = new(Clock);
        Store = TestedScripts.Open(LedgerClock);
        Engine = new(capacity);
        Issuer = new(Clock);
        Catalog = new(new(
            further.Select(more => more.Database).Append(database ?? Orders).ToDictionary(of => of.Name),
            new Dictionary<string, IssuerDefinition> { ["builtin"] = new BuiltInIssuerDefinition("builtin"), ["vault"] = Vault },
            further.Select(more => more.Role).Append(role ?? OrdersApi).ToDictionary(of => of.Name),
            new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], [])));
    }

    public static Database Orders { get; } = new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.PostgreSql,
        Host = "db",
        Port = 5432,
        DatabaseName = "app",
        AdminConnectionString = new("Host=db"),
        Server = "orders", // its records are found under its name alone
        Budget = new() { CeilingPercent = 100 },
        Issuing = new() { UsersPerSecond = 100, Burst = 100, InFlight = 10 },
    };

    public static Role OrdersApi { get; } = new()
    {
        Name = "orders-api",
        Database = "orders",
        Issuer = "builtin",
        CreationStatements = ["CREATE"],
        Allow = [new("kubernetes", new Dictionary<string, string> { ["namespace"] = "shop" })],
    };

    private static VaultIssuerDefinition Vault { get; } = new("vault") { Address = new("https://vault:8200"), Auth = new VaultTokenAuth(new(new("token"), null)) };

    /// <summary>Where whoever asks in these tests asks from.</summary>
    public static Origin From { get; } = new("t", null);

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    /// <summary>The clock of the ledger's server.</summary>
    public ClockThatIsOff LedgerClock { get; }

    public InProcessLedgerStore Store { get; }

    public DoubleEngine Engine { get; }

    public DoubleIssuer Issuer { get; }

    public FixedCatalog Catalog { get; }

    public SharedLedger Ledger => new(Store);

    /// <summary>All leases, as the ledger has them.</summary>
    public async Task<IReadOnlyList<LeaseRecord>> LeasesAsync() => await Ledger.Leases.LeasesAsync("orders", 1000, default);

    /// <summary>Lets time pass until a lease satisfies the condition, and answers that lease.</summary>
    public async Task<LeaseRecord> LeaseAsync(Func<LeaseRecord, bool> condition, TimeSpan atMost)
    {
        LeaseRecord? found = null;
        await PassAsync(() => (found = LeasesAsync().GetAwaiter().GetResult().FirstOrDefault(condition)) is not null, atMost);
        return found!;
    }

    /// <summary>The store forgets everything, as a Redis that was flushed.</summary>
    public void Flush() => Store.PutBack(InProcessLedgerStore.Empty());

    public static Ask Ask(int pod, int? connections = null, int? least = null, TimeSpan? wait = null, string role = "orders-api") =>
        new(Callers.Pod($"uid-{pod}", $"orders-{pod}"), role, null, connections, least, wait, new("trace", "127.0.0.1"));

    public async Task<Replica> ReplicaAsync(IDataProtectionProvider? keys = null)
    {
        var replica = new Replica(this, keys);
        replicas.Add(replica);
        replica.Start();
        // A ledger that is new grants nothing until those who remember something would have said so.
        if (replicas.Count == 1) await PassAsync(DutyLedger.Settling + TimeSpan.FromSeconds(1));
        return replica;
    }

    /// <summary>Lets time pass in small steps until the task is done; fails when it takes longer than given.</summary>
    public async Task<T> PassAsync<T>(Task<T> task, TimeSpan atMost)
    {
        await PassAsync(() => task.IsCompleted, atMost);
        return await task;
    }

    /// <summary>Ends when everything that can happen now has happened.</summary>
    public Task IdleAsync() => scheduler.IdleAsync();

    /// <summary>Lets so much time pass, in small steps.</summary>
    public Task PassAsync(TimeSpan time)
    {
        var end = Clock.GetUtcNow() + time;
        return PassAsync(() => Clock.GetUtcNow() >= end, 2 * time);
    }

    /// <summary>Lets time pass in small steps until the condition holds; fails when it takes longer than given.</summary>
    public async Task PassAsync(Func<bool> condition, TimeSpan atMost)
    {
        if (condition()) return;
        var start = Clock.GetUtcNow();
        await scheduler.IdleAsync();
        while (!condition())
        {
            var passed = Clock.GetUtcNow() - start;
            if (passed > atMost) throw new TimeoutException($"Not within {atMost} of the world's time.");
            Clock.Advance(Step(passed));
            await scheduler.IdleAsync();
        }
    }

    // Who waits for seconds sees them pass in twentieths; who waits for an hour need not see each of those: a hundredth of what has
    // passed, at most half a second, which is well within every deadline of the core.
    private static TimeSpan Step(TimeSpan passed) =>
        TimeSpan.FromMilliseconds(Math.Clamp(passed.TotalMilliseconds / 100, 50, 500));

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in replicas) await replica.DisposeAsync();
        await Store.DisposeAsync();
    }

    /// <summary>One replica: the core as it is put together in production, on this world's doubles.</summary>
    internal sealed class Replica : IAsyncDisposable
    {
        private readonly ServiceProvider services;
        private readonly MeterListener meters = new();
        private readonly ConcurrentDictionary<(string Instrument, string Outcome), long> counted = new();
        private readonly CancellationTokenSource life = new();
        private Task rounds = Task.CompletedTask;

        public Replica(World world, IDataProtectionProvider? keys = null)
        {
            Link = new(world.Store);
            var collection = new ServiceCollection();
            collection.AddLogging(logging => logging.AddProvider(new Told(Said))).AddMetrics();
            collection.AddSingleton<TimeProvider>(world.Clock).AddSingleton<ICatalog>(world.Catalog);
            collection.AddBrokerCore(new BrokerSettings());
            collection.Replace(ServiceDescriptor.Singleton<ILedgerStore>(Link));
            collection.Replace(ServiceDescriptor.Singleton<IAudit>(Audit));
            collection.Replace(ServiceDescriptor.KeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, world.Engine));
            collection.Replace(ServiceDescriptor.Singleton(new Issuers(_ => world.Issuer)));
            collection.Replace(ServiceDescriptor.Singleton(keys ?? world.keys));
            services = collection.BuildServiceProvider();
            var own = services.GetRequiredService<IMeterFactory>();
            meters.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == own) listener.EnableMeasurementEvents(instrument);
            };
            meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => counted.AddOrUpdate((instrument.Name, OutcomeIn(tags)), value, (_, before) => before + value));
            meters.Start();
        }

        /// <summary>All that it logged.</summary>
        public ConcurrentQueue<string> Said { get; } = [];

        /// <summary>The replica's way to the ledger; cut it, and the replica is as good as dead to the others.</summary>
        public CuttableStore Link { get; }

        public RecordingAudit Audit { get; } = new();

        public CredentialDesk Desk => services.GetRequiredService<CredentialDesk>();

        public HandleDesk Handles => services.GetRequiredService<HandleDesk>();

        public HolderDesk Holders => services.GetRequiredService<HolderDesk>();

        /// <summary>The replica's way to the ledger as its core uses it, which knows the databases' servers.</summary>
        public SharedLedger Ledger => services.GetRequiredService<SharedLedger>();

        public BudgetDesk Budgets => services.GetRequiredService<BudgetDesk>();

        public CeilingDesk Ceilings => services.GetRequiredService<CeilingDesk>();

        public RefusalJournal Refused => services.GetRequiredService<RefusalJournal>();

        public PauseDesk Pauses => services.GetRequiredService<PauseDesk>();

        public LeaseDesk Leases => services.GetRequiredService<LeaseDesk>();

        public PodDesk Pods => services.GetRequiredService<PodDesk>();

        public LeftoverDesk Leftovers => services.GetRequiredService<LeftoverDesk>();

        public DutyDesk Duties => services.GetRequiredService<DutyDesk>();

        public HolderWatch Watch => services.GetRequiredService<HolderWatch>();

        public LeaseLogins Logins => services.GetRequiredService<LeaseLogins>();

        public PoolerUsers PoolerUsers => services.GetRequiredService<PoolerUsers>();

        public SealCheck Seal => services.GetRequiredService<SealCheck>();

        public Issuance Issuance => services.GetRequiredService<Issuance>();

        public ShutdownSignal Shutdown => services.GetRequiredService<ShutdownSignal>();

        // A BackgroundService would run on the thread pool, where the world could not know when it rests.
        public void Start() => rounds = services.GetServices<IHostedService>().OfType<DutyRounds>().Single().GoOnAsync(life.Token);

        public Task<Outcome> AskAsync(Ask ask, CancellationToken cancellation = default) => Desk.ClaimAsync(ask, cancellation).AsTask();

        public Task<Outcome> RenewAsync(Grant grant, int pod = 0) => Holders.RenewAsync(Ask(pod).Caller, grant.Holder.Id, From, default).AsTask();

        /// <summary>The duty of this kind that keeps failing; null: there is none.</summary>
        public Duty? Failing(string kind) => AllDuties().FirstOrDefault(duty => duty.Kind == kind && duty.IsFailing);

        /// <summary>How often in a row the one duty of this kind failed.</summary>
        public int Failures(string kind) => Last(kind).Failures;

        /// <summary>The one duty of this kind.</summary>
        public DutyRecord Last(string kind) => AllDuties().Single(duty => duty.Kind == kind).Record;

        /// <summary>What this replica's counter of this name says of an outcome.</summary>
        public long Counted(string instrument, string outcome) => counted.GetValueOrDefault((instrument, outcome));

        private static string OutcomeIn(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach (var tag in tags)
            {
                if (tag.Key == "broker.outcome") return (string)tag.Value!;
            }

            return "";
        }

        private IReadOnlyList<Duty> AllDuties() => Duties.ListAsync(default).AsTask().GetAwaiter().GetResult();

        public async ValueTask DisposeAsync()
        {
            await life.CancelAsync();
            await rounds;
            meters.Dispose();
            await services.DisposeAsync();
            life.Dispose();
        }
    }
}

/// <summary>A clock that is wrong by the time that a test sets.</summary>
internal sealed class ClockThatIsOff(TimeProvider right) : TimeProvider
{
    /// <summary>By how much.</summary>
    public TimeSpan Off { get; set; }

    public override DateTimeOffset GetUtcNow() => right.GetUtcNow() + Off;
}

/// <summary>A catalog that stays as it is until the test changes it.</summary>
internal sealed class FixedCatalog(CatalogSnapshot current) : ICatalog
{
    public event Action<CatalogSnapshot>? Swapped
    {
        add { }
        remove { }
    }

    public CatalogSnapshot Current
    {
        get
        {
            var answer = current;
            OnRead?.Invoke();
            return answer;
        }
        set => current = value;
    }

    /// <summary>Runs after each read, so that a reload can come between two.</summary>
    public Action? OnRead { get; set; }
}

/// <summary>A store whose connection can be cut: then nothing gets through, as for a replica that was killed or cut off.</summary>
internal sealed class CuttableStore(ILedgerStore inner) : ILedgerStore
{
    private volatile bool cut;

    public bool IsCut => cut;

    public void Cut() => cut = true;

    public void Mend() => cut = false;

    /// <summary>Runs when a decision has been taken and its answer is on its way.</summary>
    public Func<Decision, Task> OnTheWayBack { get; set; } = static _ => Task.CompletedTask;

    public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        if (cut) throw new LedgerException("cut");
        var answer = await inner.DecideAsync(decision, database, arguments, cancellation);
        await OnTheWayBack(decision);
        return answer;
    }

    /// <summary>What is signalled does not get through, all else does.</summary>
    public bool LosesSignals { get; set; }

    public IDisposable Listen(string database, Action<string> heard) => inner.Listen(database, subject =>
    {
        if (!cut && !LosesSignals) heard(subject);
    });

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>An audit that keeps what it is given, or refuses it.</summary>
internal sealed class RecordingAudit : IAudit
{
    public ConcurrentQueue<AuditRecord> Records { get; } = new();

    public bool Broken { get; set; }

    public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
    {
        if (Broken) throw new AuditUnavailableException("broken");
        Records.Enqueue(record);
        return new(true);
    }
}

/// <summary>A database that lets everybody in, or nobody, and shows the connections it is told to.</summary>
internal sealed class DoubleEngine(int capacity) : IDatabaseEngine
{
    public DatabaseEngineKind Kind => DatabaseEngineKind.PostgreSql;

    public EngineDialect Dialect { get; } = new(63, [], CapsUsers: true);

    public int Capacity { get; set; } = capacity;

    public List<UserConnections> Users { get; } = [];

    public DatabaseException? LoginFailure { get; set; }

    /// <summary>A user that the database refuses from now on.</summary>
    public string? RefusedUser { get; set; }

    public DatabaseException? SampleFailure { get; set; }

    /// <summary>How often it was asked anything.</summary>
    public int Asked => asked;

    private int asked;

    /// <summary>What servers say of themselves, by the host of the database; null: nothing.</summary>
    public Func<string, string?> Says { get; set; } = static _ => null;

    /// <summary>Runs inside each count.</summary>
    public Func<Task>? OnSample { get; set; }

    public async Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation)
    {
        Interlocked.Increment(ref asked);
        if (SampleFailure is { } failure) throw failure;
        if (database.Pooler is not null && PoolerFailure is { } silent) throw silent;
        if (OnSample is { } first) await first();
        return database.Pooler is null
            ? new ConnectionSample(Capacity, 0, null, ShowsConnections ? [.. Users] : [], Says(database.Host)) { ShowsConnections = ShowsConnections }
            : new ConnectionSample(PoolerClients, 0, null, [.. ClientsOfPooler], Says(database.Host)) { Pool = new(new(Capacity, 0, null, [.. Users], Says(database.Host)), PoolAllowed) };
    }

    /// <summary>How many clients a pooler takes, which it has, and how many connections to the server it may have.</summary>
    /// <summary>What a pooler's console answers to a count; null: the count.</summary>
    public DatabaseException? PoolerFailure { get; set; }

    public int PoolerClients { get; set; } = 2000;

    public List<UserConnections> ClientsOfPooler { get; } = [];

    public int PoolAllowed { get; set; }

    /// <summary>What a pooler was told, in its order.</summary>
    public ConcurrentQueue<(int Connections, int Users)> Resized { get; } = new();

    public DatabaseException? ResizeFailure { get; set; }

    public Task<bool> ResizePoolAsync(Database database, int connections, int users, CancellationToken cancellation)
    {
        if (ResizeFailure is { } failure) throw failure;
        var told = PoolAllowed != Math.Max(1, connections) || !Resized.LastOrDefault().Equals((connections, users));
        PoolAllowed = Math.Max(1, connections);
        if (told) Resized.Enqueue((connections, users));
        return Task.FromResult(told);
    }

    /// <summary>By user, what the server keeps of a password.</summary>
    public Func<Login, string> Keeps { get; set; } = static login => $"SCRAM-SHA-256$4096:{login.Username}";

    public Task<string> VerifierAsync(Database database, Login login, CancellationToken cancellation) =>
        login.Username == RefusedUser ? throw new DatabaseException(DatabaseFailure.LoginRefused, "password authentication failed") : Task.FromResult(Keeps(login));

    /// <summary>How often a pooler was told to read its list, and whether all of it answers.</summary>
    public int Reloads { get; private set; }

    public bool PoolerAnswers { get; set; } = true;

    public Task<bool> ReloadPoolerAsync(Database database, CancellationToken cancellation)
    {
        Reloads++;
        return Task.FromResult(PoolerAnswers);
    }

    /// <summary>What a pooler does that reads a list of users, until it lets a user in.</summary>
    public Func<Login, Task>? OnPooler { get; set; }

    public Task WaitForPoolerAsync(Database database, Login login, CancellationToken cancellation) => OnPooler?.Invoke(login) ?? Task.CompletedTask;

    /// <summary>What an examination finds.</summary>
    public IReadOnlyList<Finding> Findings { get; set; } = [];

    public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) =>
        SampleFailure is { } failure ? throw failure : Task.FromResult(Findings);

    /// <summary>What is seen of single sessions; those of <see cref="Users"/> where nothing else is set.</summary>
    public IReadOnlyList<OpenSessions>? OpenNow { get; set; }

    public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) =>
        SampleFailure is { } failure ? throw failure
        : Task.FromResult(OpenNow ?? [.. Users.Select(user => new OpenSessions(user.Username, "", "", user.Open, 0, 0, null, null))]);

    /// <summary>Runs inside each login.</summary>
    public Func<Task>? OnLogin { get; set; }

    public Task TryLoginAsync(Database database, Login login, CancellationToken cancellation) =>
        Interlocked.Increment(ref asked) > 0 && login.Username == RefusedUser ? throw new DatabaseException(DatabaseFailure.LoginRefused, "password authentication failed")
        : LoginFailure is { } failure ? throw failure
        : OnLogin?.Invoke() ?? OnLoginUntil?.Invoke(cancellation) ?? Task.CompletedTask;

    /// <summary>Runs inside each login, and is told when it is given up.</summary>
    public Func<CancellationToken, Task>? OnLoginUntil { get; set; }

    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) => Task.CompletedTask;

    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Runs inside each change of a cap.</summary>
    public Func<Task>? OnCap { get; set; }

    public Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation)
    {
        Capped.Enqueue((username, connections));
        return CapFailure is { } failure ? throw failure : OnCap?.Invoke().WaitAsync(cancellation) ?? Task.CompletedTask;
    }

    /// <summary>Whether its server shows who has connections open.</summary>
    public bool ShowsConnections { get; set; } = true;

    /// <summary>The caps that were set, in their order.</summary>
    public ConcurrentQueue<(string Username, int? Connections)> Capped { get; } = new();

    public DatabaseException? CapFailure { get; set; }

    /// <summary>Users that own something that nobody may have.</summary>
    public ConcurrentDictionary<string, string> Owns { get; } = new();

    /// <summary>The owner roles that users were dropped with.</summary>
    public ConcurrentQueue<string?> OwnerRoles { get; } = new();

    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation)
    {
        OwnerRoles.Enqueue(ownerRole);
        if (ownerRole is null && Owns.TryGetValue(username, out var owned)) throw new DatabaseException(DatabaseFailure.StillOwns, $"'{username}' owns {owned}");
        Found.TryRemove(username, out _);
        return Task.CompletedTask;
    }

    /// <summary>The sessions that users have, dropped or not; null: the server does not tell.</summary>
    public Func<string, int?> Sessions { get; set; } = static _ => 0;

    public DatabaseException? ShutOutFailure { get; set; }

    public Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) => Task.FromResult(Sessions(username));

    /// <summary>How many connections each user may open.</summary>
    public int? UserLimit { get; set; }

    public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) => Task.FromResult(UserLimit);

    /// <summary>Users whose sessions were ended.</summary>
    public ConcurrentQueue<string> ShutOut { get; } = new();

    /// <summary>Users that are found in the database.</summary>
    public ConcurrentDictionary<string, DatabaseUser> Found { get; } = new();

    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        ShutOut.Enqueue(username);
        return ShutOutFailure is { } failure ? throw failure : Task.CompletedTask;
    }

    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) =>
        Task.FromResult<IReadOnlyList<DatabaseUser>>(Interlocked.Increment(ref asked) == 0 ? [] : [.. Found.Values.Where(user => user.Username.StartsWith(prefix, StringComparison.Ordinal))]);

    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) =>
        new([new(database.Host, database.Port)], [new("fake", $"name={holder}", null)]) { Named = new("fake", "fake", "fake", "fake", "fake") };
}

/// <summary>An issuer that keeps count of the users it made, and can be told to fail, to be slow, or to wait for the test.</summary>
internal sealed class DoubleIssuer(TimeProvider time) : IIssuer
{
    private int made;

    public ConcurrentDictionary<string, DateTimeOffset> Users { get; } = new();

    public ConcurrentQueue<DateTimeOffset> Asked { get; } = new();

    public TimeSpan Life { get; set; } = TimeSpan.FromHours(1);

    public bool Renewable { get; set; } = true;

    public IssuerException? Failure { get; set; }

    public IssuerException? RenewFailure { get; set; }

    public IssuerException? RevokeFailure { get; set; }

    /// <summary>Makes the user, and then this: as when the answer is lost on its way back.</summary>
    public IssuerException? AfterIssue { get; set; }

    /// <summary>Runs inside each issue when the user is made and the answer is on its way.</summary>
    public Func<Task>? After { get; set; }

    /// <summary>Answers no issue until it is given up.</summary>
    public bool Hangs { get; set; }

    /// <summary>As Vault does: the broker does not know the name before the answer.</summary>
    public bool ChoosesNames { get; set; }

    /// <summary>Runs inside each issue, before the user is made.</summary>
    public Func<Task>? Before { get; set; }

    public async Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation)
    {
        Asked.Enqueue(time.GetUtcNow());
        if (Before is { } before) await before();
        if (Hangs) await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellation);
        if (Failure is { } failure) throw failure;
        Interlocked.Increment(ref made);
        var username = order.Username ?? "v" + Guid.NewGuid().ToString("N")[..8];
        Users[username] = time.GetUtcNow();
        if (AfterIssue is { } lost) throw lost;
        if (After is { } after) await after();
        return new(username, new(username, new("secret-" + username)), new(Life, Renewable));
    }

    /// <summary>Names what the leases hang on; null: nothing.</summary>
    public string? Generation { get; set; }

    /// <summary>How often what the leases hang on was kept alive.</summary>
    public int KeptAlive { get; private set; }

    public Task<string?> GenerationAsync(CancellationToken cancellation) => Task.FromResult(Generation);

    public Task<TimeSpan?> KeepAliveAsync(CancellationToken cancellation)
    {
        KeptAlive++;
        return Task.FromResult<TimeSpan?>(TimeSpan.FromSeconds(10));
    }

    /// <summary>More than this no renewal gives; null: whatever is asked for.</summary>
    public TimeSpan? MostRenewed { get; set; }

    /// <summary>Hears what each renewal asks for.</summary>
    public Action<TimeSpan>? OnRenew { get; set; }

    /// <summary>Runs inside each renewal, before the lease has more time.</summary>
    public Func<CancellationToken, Task>? BeforeRenew { get; set; }

    public async Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation)
    {
        if (BeforeRenew is { } before) await before(cancellation);
        OnRenew?.Invoke(increment);
        return RenewFailure is { } failure ? throw failure
            : Users.ContainsKey(lease.Id) ? new(MostRenewed < increment ? MostRenewed.Value : increment, Renewable)
            : throw new IssuerException(IssuerFailure.LeaseUnknown, "lease not found");
    }

    public Task RevokeAsync(IssuerLease lease, CancellationToken cancellation)
    {
        if (RevokeFailure is { } failure) throw failure;
        Users.TryRemove(lease.Id, out _);
        return Task.CompletedTask;
    }

    public Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation) =>
        Task.FromResult(Users.TryGetValue(lease.Id, out var issued) ? new LeaseTerm(Life, Renewable, IssuedAt: issued) : null);

    /// <summary>Runs inside each listing.</summary>
    public Action? OnList { get; set; }

    /// <summary>As of a Vault that does not let the broker list.</summary>
    public IssuerException? ListFailure { get; set; }

    public Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation)
    {
        OnList?.Invoke();
        return ListFailure is { } failure ? throw failure : Task.FromResult<IReadOnlyList<string>>([.. Users.Keys]);
    }

    /// <summary>What the names that it proposes begin with; sixteen letters follow.</summary>
    public string Names { get; set; } = "u";

    public string? ProposeUsername(Role role, Database database) =>
        ChoosesNames ? null : Names + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz", 16);

    public bool CouldHaveMade(Role role, Database database, string username, string id) =>
        (id.Length == 0 || username.Length == 0 || id == username)
        && (username.Length == 0 || (ChoosesNames ? username.StartsWith('v') && username.Length == 9 : username.StartsWith(Names, StringComparison.Ordinal) && username.Length == Names.Length + 16));

    /// <summary>Users made since the start, dropped ones included.</summary>
    public int Made => Volatile.Read(ref made);
}
