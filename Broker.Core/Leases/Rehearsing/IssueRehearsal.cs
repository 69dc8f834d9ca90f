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
using Broker.Core.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Core.Leases.Rehearsing;

/// <summary>
/// Plays whole cold rollouts, from the claims to the answers, with nothing at stake: a core of its own on a ledger in memory, an issuer
/// that makes nothing and a database that is not there. So election, issue, login check, activation and waking have all been run,
/// and compiled, before the first pod needs them.
/// </summary>
internal static class IssueRehearsal
{
    private const int Pods = 60;
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    /// <summary>Plays so many rollouts, each of a role that has no lease yet.</summary>
    /// <exception cref="OperationCanceledException">The time is over.</exception>
    public static async Task PlayAsync(int rollouts, TimeProvider time, CancellationToken cancellation)
    {
        var roles = Enumerable.Range(0, rollouts).Select(number => new Role
        {
            Name = $"rehearsal-{number}",
            Database = "rehearsal",
            Issuer = "rehearsal",
            Allow = [new AllowRule("rehearsal", FrozenDictionary<string, ClaimMatch>.Empty)],
        }).ToArray();
        await using var core = Compose(roles, time);
        var database = core.GetRequiredService<ICatalog>().Current.Databases["rehearsal"];
        await core.GetRequiredService<SharedLedger>().Budgets.SampleAsync(database.Name, rollouts * Pods * 10, rollouts * Pods * 10, 0, rollouts * Pods * 10, 0, Hour, cancellation);
        foreach (var role in roles)
        {
            var outcomes = await Task.WhenAll(Enumerable.Range(0, Pods).Select(pod => ClaimAsync(core, role, pod, time, cancellation)));
            foreach (var (outcome, caller) in outcomes)
            {
                if (outcome.Grant is not { } grant) continue;
                var desk = core.GetRequiredService<HolderDesk>();
                await desk.RenewAsync(caller, grant.Holder.Id, new("", null), cancellation);
                await desk.ReleaseAsync(caller, grant.Holder.Id, new("", null), cancellation);
            }
        }
    }

    private static async Task<(Outcome Outcome, Caller Caller)> ClaimAsync(IServiceProvider core, Role role, int pod, TimeProvider time, CancellationToken cancellation)
    {
        await Task.Yield();
        var claims = Array.Empty<KeyValuePair<string, string>>().ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal);
        var caller = new Caller("rehearsal", $"pod-{pod}", claims, time.GetUtcNow() + Hour);
        return (await core.GetRequiredService<CredentialDesk>().ClaimAsync(new(caller, role.Name, "1", null, null, null, new("", null)), cancellation), caller);
    }

    private static ServiceProvider Compose(IReadOnlyList<Role> roles, TimeProvider time)
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
        core.AddBrokerCore(new BrokerSettings { Audit = new() { Path = "/dev/null" } });
        core.AddSingleton(time).AddSingleton<ICatalog>(new Fixed(catalog)).AddSingleton<IMeterFactory>(new Silent());
        core.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton(typeof(ILogger<>), typeof(NullLogger<>));
        core.Replace(ServiceDescriptor.KeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, new Nowhere(new PostgreSqlEngine(time))));
        core.Replace(ServiceDescriptor.Singleton(new Issuers(_ => new Nothing())));
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

    /// <summary>Makes users of names and passwords alone.</summary>
    private sealed class Nothing : IIssuer
    {
        public string? ProposeUsername(Role role, Database database) => "rehearsal";

        public Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation) =>
            Task.FromResult(new IssuedLease("rehearsal", new("rehearsal", new("rehearsal")), new(Hour, true)));

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

        public Task TryLoginAsync(Database database, Login login, CancellationToken cancellation) => Task.CompletedTask;

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

        private static InvalidOperationException Never() => new("A rehearsed rollout asks nothing of the database but to let its login in.");
    }
}
