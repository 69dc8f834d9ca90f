using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Issuing.BuiltIn;
using Broker.Tests.Contracts;
using Broker.Tests.Databases;

namespace Broker.Tests.Issuing.BuiltIn;

/// <summary>The contract of issuers, on MariaDB.</summary>
public sealed class BuiltInIssuerOnMariaDbTests(SharedServers servers) : IssuerContract
{
    protected override async Task<IssuerBench> SetUpAsync()
    {
        var mariaDb = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        var engine = new MySqlEngine(TimeProvider.System);
        return new(
            new BuiltInIssuer(new DatabaseEngines(_ => engine)),
            RoleOf(mariaDb),
            mariaDb.Database,
            login => BuiltInIssuerTests.WorksAsync(engine, mariaDb.Database, login),
            async () =>
            {
                foreach (var user in await engine.FindUsersAsync(mariaDb.Database, "b-" + mariaDb.Name, CancellationToken.None))
                    await engine.DropUserAsync(mariaDb.Database, user.Username, [], null, CancellationToken.None);
                await engine.DisposeAsync();
                await mariaDb.DisposeAsync();
            });
    }

    /// <summary>A role with the statements of Vault's documentation, and a name of the test's own.</summary>
    internal static Role RoleOf(MySqlFixture mariaDb) => new()
    {
        Name = mariaDb.Name,
        Database = mariaDb.Database.Name,
        Issuer = "built-in",
        CreationStatements = [$"CREATE USER '{{{{name}}}}'@'%' IDENTIFIED BY '{{{{password}}}}';GRANT SELECT ON {mariaDb.Name}.* TO '{{{{name}}}}'@'%';"],
    };
}
