using System.Data.Common;
using Broker.Core;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Databases;
using Broker.Tests.Identity;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A pod that opens ten times what it was granted, on real servers that are told to cap their users.</summary>
public sealed class EnforcedCapsTests
{
    private const int Granted = 5;
    private static readonly string[] Names = ["greedy", "modest"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task On_PostgreSQL_its_own_role_is_refused_and_every_other_role_is_not_touched()
    {
        await using var server = await LocalPostgres.StartAsync(new() { MaxConnections = 40 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(server, Cancellation);

        await GreedyPodHarmsOnlyItsOwnRoleAsync(
            bench.Database,
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'",
            text => new NpgsqlConnection(new NpgsqlConnectionStringBuilder(text) { Pooling = false }.ConnectionString),
            refusal => refusal is PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } full && full.MessageText.Contains("role", StringComparison.Ordinal),
            user => bench.AskAsync<int>($"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{user}'", Cancellation));
    }

    [Fact]
    public async Task On_MariaDB_its_own_role_is_refused_and_every_other_role_is_not_touched()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 40 }, Cancellation);
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);

        await GreedyPodHarmsOnlyItsOwnRoleAsync(
            bench.Database,
            $"CREATE USER '{{{{name}}}}'@'%' IDENTIFIED BY '{{{{password}}}}'; GRANT ALL ON {bench.Name}.* TO '{{{{name}}}}'@'%'",
            text => new MySqlConnection(new MySqlConnectionStringBuilder(text) { Pooling = false }.ConnectionString),
            refusal => refusal is MySqlException { ErrorCode: MySqlErrorCode.UserLimitReached },
            user => bench.AskAsync<int>($"SELECT max_user_connections FROM mysql.user WHERE User = '{user}'", Cancellation));
    }

    [Fact]
    public async Task On_MariaDB_a_cap_that_is_lifted_gives_no_place_to_the_servers_smaller_limit_of_each_user()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 40, Settings = new Dictionary<string, string> { ["max_user_connections"] = "3" } }, Cancellation);
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        Task<int> CapAsync(string user) => bench.AskAsync<int>($"SELECT max_user_connections FROM mysql.user WHERE User = '{user}'", Cancellation);

        var grant = await EnforceAndStopAsync(
            bench.Database, $"CREATE USER '{{{{name}}}}'@'%' IDENTIFIED BY '{{{{password}}}}'; GRANT ALL ON {bench.Name}.* TO '{{{{name}}}}'@'%'", CapAsync);

        var open = new List<DbConnection>();
        for (var i = 0; i < Granted; i++)
        {
            (await OpenAsync(new MySqlConnection(new MySqlConnectionStringBuilder(grant.Credentials.Strings.AdoNet) { Pooling = false }.ConnectionString), open))
                .ShouldBeNull("it has what it was granted");
        }

        foreach (var connection in open) await connection.DisposeAsync();
    }

    [Theory]
    [InlineData("", -1)]
    [InlineData(" CONNECTION LIMIT 8", 8)]
    public async Task On_PostgreSQL_a_cap_that_is_lifted_leaves_a_user_the_limit_that_it_was_made_with(string limit, int left)
    {
        await using var server = await LocalPostgres.StartAsync(new() { MaxConnections = 40 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(server, Cancellation);
        Task<int> CapAsync(string user) => bench.AskAsync<int>($"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{user}'", Cancellation);

        var grant = await EnforceAndStopAsync(bench.Database, $"CREATE ROLE \"{{{{name}}}}\" LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}'{limit}", CapAsync);

        (await CapAsync(grant.Credentials.Login.Username)).ShouldBe(left);
    }

    // A grant under a cap, whose cap is lifted because enforcing is switched off.
    private static async Task<Grant> EnforceAndStopAsync(Database database, string creation, Func<string, Task<int>> cap)
    {
        await using var broker = await BrokerAsync(database, creation);
        var grant = await ClaimAsync(broker, "modest");
        await Eventually.HoldsAsync(async () => await cap(grant.Credentials.Login.Username) == Granted, "the cap is what was granted", Cancellation);

        var catalog = (FixedCatalog)broker.GetRequiredService<ICatalog>();
        var orders = catalog.Current.Databases["orders"];
        catalog.Current = catalog.Current with
        {
            Databases = new Dictionary<string, Database> { ["orders"] = orders with { Budget = new() { SampleEvery = orders.Budget.SampleEvery } } },
        };
        await Eventually.HoldsAsync(async () => await cap(grant.Credentials.Login.Username) != Granted, "the cap is lifted", Cancellation);
        return grant;
    }

    private static async Task GreedyPodHarmsOnlyItsOwnRoleAsync(
        Database database, string creation, Func<string, DbConnection> connect, Func<DbException, bool> isOwnLimit, Func<string, Task<int>> cap)
    {
        await using var broker = await BrokerAsync(database, creation);
        var (greedy, modest) = (await ClaimAsync(broker, "greedy"), await ClaimAsync(broker, "modest"));
        foreach (var grant in new[] { greedy, modest })
            await Eventually.HoldsAsync(
                async () => await cap(grant.Credentials.Login.Username) == Granted, "the cap is what was granted", Cancellation);

        var open = new List<DbConnection>();
        try
        {
            var refusals = new List<DbException>();
            for (var i = 0; i < 10 * Granted; i++)
            {
                if (await OpenAsync(connect(greedy.Credentials.Strings.AdoNet), open) is { } refusal) refusals.Add(refusal);
            }

            open.Count.ShouldBe(Granted);
            refusals.Count.ShouldBe(9 * Granted);
            refusals.ShouldAllBe(refusal => isOwnLimit(refusal));

            for (var i = 0; i < Granted; i++)
                (await OpenAsync(connect(modest.Credentials.Strings.AdoNet), open)).ShouldBeNull("the other role has all it was granted");
        }
        finally
        {
            foreach (var connection in open) await connection.DisposeAsync();
        }
    }

    private static async Task<DbException?> OpenAsync(DbConnection connection, List<DbConnection> open)
    {
        try
        {
            await connection.OpenAsync(Cancellation);
            open.Add(connection);
            return null;
        }
        catch (DbException refusal)
        {
            await connection.DisposeAsync();
            return refusal;
        }
    }

    private static async Task<Grant> ClaimAsync(IServiceProvider broker, string role)
    {
        var ask = new Ask(Callers.Pod($"uid-{role}", $"{role}-0"), role, null, Granted, Granted, TimeSpan.FromSeconds(20), new("trace", "127.0.0.1"));
        var outcome = await broker.GetRequiredService<CredentialDesk>().ClaimAsync(ask, Cancellation);
        return outcome.Grant.ShouldNotBeNull(outcome.Refusal?.Detail);
    }

    private static async Task<Running> BrokerAsync(Database database, string creation)
    {
        var roles = Names.Select(name => World.OrdersApi with { Name = name, CreationStatements = [creation] });
        var catalog = new FixedCatalog(new(
            new Dictionary<string, Database> { ["orders"] = database with { Name = "orders", Budget = new() { Enforce = true, SampleEvery = TimeSpan.FromMilliseconds(300) } } },
            new Dictionary<string, IssuerDefinition> { ["builtin"] = new BuiltInIssuerDefinition("builtin") },
            roles.ToDictionary(role => role.Name),
            new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], [])));
        var services = new ServiceCollection();
        services.AddLogging().AddMetrics().AddSingleton(TimeProvider.System).AddSingleton<ICatalog>(catalog).AddBrokerCore(new BrokerSettings());
        services.Replace(ServiceDescriptor.Singleton<IAudit>(new RecordingAudit()));
        var running = new Running(services.BuildServiceProvider());
        await running.StartAsync();
        return running;
    }

    private sealed class Running(ServiceProvider services) : IServiceProvider, IAsyncDisposable
    {
        public object? GetService(Type serviceType) => services.GetService(serviceType);

        public async Task StartAsync()
        {
            foreach (var hosted in services.GetServices<IHostedService>()) await hosted.StartAsync(Cancellation);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var hosted in services.GetServices<IHostedService>()) await hosted.StopAsync(CancellationToken.None);
            await services.DisposeAsync();
        }
    }
}
