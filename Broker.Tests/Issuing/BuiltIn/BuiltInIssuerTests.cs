using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Model;
using Broker.Tests.Contracts;
using Broker.Tests.Databases;

namespace Broker.Tests.Issuing.BuiltIn;

/// <summary>The contract of issuers, on PostgreSQL.</summary>
public sealed class BuiltInIssuerTests(SharedServers servers) : IssuerContract
{
    protected override async Task<IssuerBench> SetUpAsync()
    {
        var postgres = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        var engine = new PostgreSqlEngine(TimeProvider.System);
        return new(
            new BuiltInIssuer(new DatabaseEngines(_ => engine)),
            RoleOf(postgres),
            postgres.Database,
            login => WorksAsync(engine, postgres.Database, login),
            async () =>
            {
                await engine.DisposeAsync();
                await postgres.DisposeAsync();
            });
    }

    /// <summary>A role with the statements of Vault's documentation, and a name of the test's own.</summary>
    internal static Role RoleOf(PostgresFixture postgres) => new()
    {
        Name = postgres.Name,
        Database = postgres.Database.Name,
        Issuer = "built-in",
        CreationStatements =
        [
            """
            CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";
            """,
        ],
    };

    internal static async Task<bool> WorksAsync(IDatabaseEngine engine, Database database, Login login)
    {
        try
        {
            await engine.TryLoginAsync(database, login, Cancellation);
            return true;
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.LoginRefused)
        {
            return false;
        }
    }
}
