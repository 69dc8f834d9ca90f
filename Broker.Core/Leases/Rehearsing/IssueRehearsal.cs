using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Core.Leases.Rehearsing;

/// <summary>
/// Runs whole cold rollouts, from the claims to the answers, without effect: the cores of two separate replicas on one in-memory ledger,
/// an issuer that creates nothing and a database that does not exist. So election, issue, login check, activation, waking across replicas and
/// opening a login that another replica issued have all been run, and compiled, before the first pod needs them.
/// </summary>
internal static class IssueRehearsal
{
    private const int Pods = 60;
    private const string Part = "part";
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    /// <summary>Plays so many rollouts, each of a role that has no lease yet.</summary>
    /// <returns>What a claim was refused for, so that not all has been run; null: nothing was.</returns>
    /// <exception cref="OperationCanceledException">The time is over.</exception>
    public static async Task<Refusal?> PlayAsync(int rollouts, TimeProvider time, CancellationToken cancellation)
    {
        var roles = Enumerable.Range(0, rollouts).Select(number => new Role
        {
            Name = $"rehearsal-{number}",
            Database = "rehearsal",
            Issuer = "rehearsal",
            Allow = [new AllowRule("rehearsal", new Dictionary<string, string> { [Part] = "pod" })],
        }).ToArray();
        await using var ledger = new Elsewhere(new InProcessLedgerStore(time) { IsOfThisProcess = true });
        var seals = new EphemeralDataProtectionProvider();
        await using ServiceProvider one = Compose(roles, ledger, seals, time), other = Compose(roles, ledger, seals, time);
        var database = one.GetRequiredService<ICatalog>().Current.Databases["rehearsal"];
        await one.GetRequiredService<SharedLedger>().Budgets.SampleAsync(database.Name, rollouts * Pods * 10, rollouts * Pods * 10, 0, rollouts * Pods * 10, 0, Hour, cancellation);
        foreach (var role in roles)
        {
            var refusals = await Task.WhenAll(Enumerable.Range(0, Pods).Select(pod => LiveAsync(pod % 2 == 0 ? one : other, role, pod, time, cancellation)));
            if (Array.Find(refusals, refusal => refusal is not null) is { } refused) return refused;
        }

        return null;
    }

    // A pod's whole life. Null: it had what it wanted.
    private static async Task<Refusal?> LiveAsync(IServiceProvider core, Role role, int pod, TimeProvider time, CancellationToken cancellation)
    {
        await Task.Yield();
        var claims = new[] { Part }.ToLookup(ClaimPath.Of, _ => "pod", StringComparer.Ordinal);
        var caller = new Caller("rehearsal", $"pod-{pod}", claims, time.GetUtcNow() + Hour);
        var origin = new Origin("", null);
        var claimed = await core.GetRequiredService<CredentialDesk>().ClaimAsync(new(caller, role.Name, "1", null, null, null, origin), cancellation);
        if (claimed.Grant is not { } grant) return claimed.Refusal;
        var desk = core.GetRequiredService<HolderDesk>();
        return (await desk.RenewAsync(caller, grant.Holder.Id, origin, cancellation)).Refusal ?? await desk.ReleaseAsync(caller, grant.Holder.Id, origin, cancellation);
    }

    private static ServiceProvider Compose(IReadOnlyList<Role> roles, ILedgerStore ledger, IDataProtectionProvider seals, TimeProvider time)
    {
        var database = new Database
        {
            Name = "rehearsal",
            Server = "rehearsal",
            Engine = DatabaseEngineKind.PostgreSql,
            Host = "localhost",
            Port = 5432,
            DatabaseName = "rehearsal",
            AdminConnectionString = new("Host=localhost"),
            Budget = new(),
            Issuing = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 },
        };
        var catalog = new CatalogSnapshot(
            new Dictionary<string, Database>(StringComparer.Ordinal) { [database.Name] = database },
            new Dictionary<string, IssuerDefinition>(StringComparer.Ordinal) { ["rehearsal"] = new BuiltInIssuerDefinition("rehearsal") },
            roles.ToDictionary(role => role.Name, StringComparer.Ordinal),
            new IdentitySettings(FrozenDictionary<string, IdentityIssuer>.Empty, [], []));
        var core = new ServiceCollection();
        core.AddBrokerCore(new BrokerSettings { Audit = new() { Path = AuditSettings.Nowhere } });
        core.AddSingleton(time).AddSingleton<ICatalog>(new Fixed(catalog)).AddSingleton<IMeterFactory>(new Silent());
        core.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton(typeof(ILogger<>), typeof(NullLogger<>));
        core.Replace(ServiceDescriptor.KeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, new Nowhere(new PostgreSqlEngine(time))));
        core.Replace(ServiceDescriptor.Singleton(new Issuers(_ => new Nothing())));
        core.Replace(ServiceDescriptor.Singleton(ledger)).Replace(ServiceDescriptor.Singleton(seals));
        return core.BuildServiceProvider();
    }

    private sealed class Fixed(CatalogSnapshot current) : ICatalog
    {
        public CatalogSnapshot Current => current;

        public event Action<CatalogSnapshot>? Swapped { add { } remove { } }
    }

    // Under another name, so that no exporter counts what is played.
    private sealed class Silent : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new("rehearsal");

        public void Dispose()
        {
        }
    }

    /// <summary>
    /// Answers later, as a server does, and so do all doubles here: what a method does when it has to wait is compiled when it first waits, which on
    /// the whole way of a rollout is six hundred methods.
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

    /// <summary>Lets every login in; writes connection strings as PostgreSQL's engine does.</summary>
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
