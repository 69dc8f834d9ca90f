using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Core.Leases.Rehearsing;

/// <summary>
/// The common parts of a rehearsal's replicas: one in-memory ledger, an issuer that creates nothing and a database that does not exist. So
/// whole rollouts, from the claims to the answers, can be played without effect.
/// </summary>
internal sealed class RehearsalStage : IAsyncDisposable
{
    /// <summary>The name of everything: the database, the issuers of users and of tokens.</summary>
    public const string Name = "rehearsal";

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private readonly TimeProvider time;
    private readonly Elsewhere ledger;
    private readonly EphemeralDataProtectionProvider seals = new();
    private readonly Fixed catalog;

    /// <param name="roles">How many roles there are.</param>
    /// <param name="time">The clock.</param>
    public RehearsalStage(int roles, TimeProvider time)
    {
        this.time = time;
        ledger = new(new InProcessLedgerStore(time) { IsOfThisProcess = true });
        Roles = [.. Enumerable.Range(0, roles).Select(number => $"{Name}-{number}")];
        var issuer = new IdentityIssuer { Name = Name, Issuer = Name, Audience = Name };
        var database = new Database
        {
            Name = Name,
            Server = Name,
            Engine = DatabaseEngineKind.PostgreSql,
            Host = "localhost",
            Port = 5432,
            DatabaseName = Name,
            AdminConnectionString = new("Host=localhost"),
            Budget = new(),
            Issuing = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 },
        };
        catalog = new(new CatalogSnapshot(
            new Dictionary<string, Database>(StringComparer.Ordinal) { [Name] = database },
            new Dictionary<string, IssuerDefinition>(StringComparer.Ordinal) { [Name] = new BuiltInIssuerDefinition(Name) },
            Roles.ToDictionary(role => role, RoleOf, StringComparer.Ordinal),
            new IdentitySettings(new Dictionary<string, IdentityIssuer>(StringComparer.Ordinal) { [Name] = issuer }.ToFrozenDictionary(), [], []))
        {
            VaultApi = new()
            {
                AuthMounts = new Dictionary<string, AuthMount>(StringComparer.Ordinal) { [Name] = new(Name, AuthMountType.Kubernetes) { Issuer = Name } },
                SecretMounts = new Dictionary<string, SecretMount>(StringComparer.Ordinal) { [Name] = new(Name, new Dictionary<string, SecretRole>()) },
            },
        });
    }

    /// <summary>The roles, which the pods of the rehearsal's namespace may have.</summary>
    public IReadOnlyList<string> Roles { get; }

    /// <summary>The settings of a replica in the rehearsal.</summary>
    public static BrokerSettings Settings { get; } = new() { Audit = new() { Path = AuditSettings.Nowhere } };

    /// <summary>Adds the core of one replica.</summary>
    public void AddCore(IServiceCollection services)
    {
        services.AddBrokerCore(Settings);
        services.AddSingleton(time).AddSingleton<ICatalog>(catalog).AddSingleton<IMeterFactory>(_ => new Silent()); // made by the container, and so disposed of with it
        services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton(typeof(ILogger<>), typeof(NullLogger<>));
        services.Replace(ServiceDescriptor.KeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, new Nowhere(new PostgreSqlEngine(time))));
        services.Replace(ServiceDescriptor.Singleton(new Issuers(_ => new Nothing())));
        services.Replace(ServiceDescriptor.Singleton<ILedgerStore>(ledger)).Replace(ServiceDescriptor.Singleton<IDataProtectionProvider>(seals));
        services.RemoveAll<IHostedService>(); // there are no rounds
    }

    /// <summary>Counts the database with this many connections, by one of its replicas.</summary>
    public static async Task CountAsync(IServiceProvider replica, int connections, CancellationToken cancellation) =>
        await replica.GetRequiredService<SharedLedger>().Budgets.SampleAsync(Name, connections, connections, 0, connections, 0, Hour, cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ledger.DisposeAsync();

    private static Role RoleOf(string name) => new()
    {
        Name = name,
        Database = Name,
        Issuer = Name,
        Allow = [new AllowRule(Name, new Dictionary<string, string> { ["namespace"] = Name })],
    };

    private sealed class Fixed(CatalogSnapshot current) : ICatalog
    {
        public CatalogSnapshot Current => current;

        public event Action<CatalogSnapshot>? Swapped { add { } remove { } }
    }

    /// <summary>Makes meters of another name, so that no exporter counts the rehearsal.</summary>
    internal sealed class Silent : IMeterFactory
    {
        // .NET keeps every meter, and what its instruments observe, until it is disposed of.
        private readonly ConcurrentBag<Meter> meters = [];

        public Meter Create(MeterOptions options)
        {
            var meter = new Meter(Name);
            meters.Add(meter);
            return meter;
        }

        public void Dispose()
        {
            foreach (var meter in meters) meter.Dispose();
        }
    }

    /// <summary>
    /// Answers later, as a server does, and so do all doubles here: a method's waiting path is compiled when it first waits, which on
    /// the whole way of a rollout concerns six hundred methods.
    /// </summary>
    private sealed class Elsewhere(ILedgerStore here) : ILedgerStore
    {
        public bool IsOfThisProcess => here.IsOfThisProcess;

        public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
        {
            await Task.Yield();
            return await here.DecideAsync(decision, database, arguments, cancellation);
        }

        public IDisposable Listen(string database, Action<string> heard) => here.Listen(database, heard);

        public ValueTask DisposeAsync() => here.DisposeAsync();
    }

    /// <summary>Makes users of names and passwords alone.</summary>
    private sealed class Nothing : IIssuer
    {
        public string? ProposeUsername(Role role, Database database) => "rehearsal";

        public async Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation)
        {
            await Task.Yield();
            return new("rehearsal", new("rehearsal", new("rehearsal")), new(Hour, true));
        }

        public Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation) => Task.FromResult(new LeaseTerm(Hour, true));

        public Task RevokeAsync(IssuerLease lease, CancellationToken cancellation) => Task.CompletedTask;

        public Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation) => Task.FromResult<LeaseTerm?>(null);

        public Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<string>>([]);

        public bool CouldHaveMade(Role role, Database database, string username, string id) => true;
    }

    /// <summary>Accepts every login; writes connection strings as PostgreSQL's engine does.</summary>
    private sealed class Nowhere(PostgreSqlEngine strings) : IDatabaseEngine
    {
        public DatabaseEngineKind Kind => DatabaseEngineKind.PostgreSql;

        public EngineDialect Dialect => strings.Dialect;

        public ConnectionStrings Describe(Database database, Login login, int connections, string? holderName) => strings.Describe(database, login, connections, holderName);

        public async Task TryLoginAsync(Database database, Login login, CancellationToken cancellation) => await Task.Yield();

        public Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation) => throw Never();

        public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) => throw Never();

        public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) => throw Never();

        public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) => throw Never();

        public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) => throw Never();

        public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) => Task.FromResult<int?>(null);

        public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) => throw Never();

        public Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) => throw Never();

        public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) => throw Never();

        public Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation) => throw Never();

        public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) => throw Never();

        private static InvalidOperationException Never() => new("A rehearsed rollout only logs in to the database.");
    }
}
