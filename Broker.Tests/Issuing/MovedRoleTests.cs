using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Model;
using Broker.Tests.Databases;
using Broker.Tests.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing;

/// <summary>
/// A role is moved from Vault to the built-in issuer and back: the statements that Vault ran are taken over as they are. The Vault
/// is the simulated one; what it runs, it puts together from the same text as a Vault would.
/// </summary>
public sealed class MovedRoleTests(SharedServers servers)
{
    private const string Path = "database/creds/app";
    private static readonly TimeSpan Ttl = TimeSpan.FromMinutes(10);

    // As they stand in Vault's documentation, several in one text.
    private const string OnPostgres = """CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";""";
    private const string OnMariaDb = "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}';GRANT SELECT ON {{database}}.* TO '{{name}}'@'%';";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task On_PostgreSQL_with_unchanged_statements()
    {
        await using var postgres = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        await MoveThereAndBackAsync(
            engine, postgres.Database, OnPostgres, statement => postgres.DoAsync(statement, Cancellation), user => $"DROP OWNED BY \"{user}\"; DROP ROLE \"{user}\"");
    }

    [Fact]
    public async Task On_MariaDB_with_unchanged_statements()
    {
        await using var mariaDb = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);

        await MoveThereAndBackAsync(
            engine,
            mariaDb.Database,
            OnMariaDb.Replace("{{database}}", mariaDb.Name, StringComparison.Ordinal),
            statement => mariaDb.DoAsync(statement, Cancellation),
            user => $"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user}'@'%'; DROP USER '{user}'@'%'");
    }

    private static async Task MoveThereAndBackAsync(
        IDatabaseEngine engine, Database database, string creation, Func<string, Task> run, Func<string, string> revocation)
    {
        await using var vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole(Path, Ttl, 6 * Ttl)
        {
            Create = (user, password, end) => run(creation
                .Replace("{{name}}", user, StringComparison.Ordinal)
                .Replace("{{password}}", password, StringComparison.Ordinal)
                .Replace("{{expiration}}", StatementTemplate.Expiration(end), StringComparison.Ordinal)),
            Extend = (_, _) => Task.CompletedTask,
            Drop = user => run(revocation(user)),
        });
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address));
        var inVault = VaultFixture.Role(Path);
        var builtIn = new Role { Name = inVault.Name, Database = inVault.Database, Issuer = "builtin", CreationStatements = [creation] };
        var here = new BuiltInIssuer(new DatabaseEngines(_ => engine));

        foreach (var (issuer, role) in new (IIssuer, Role)[] { (bench.Issuer, inVault), (here, builtIn), (bench.Issuer, inVault) })
        {
            var issued = await issuer.IssueAsync(new(role, database, issuer.ProposeUsername(role, database), TimeProvider.System.GetUtcNow()), Cancellation);
            await engine.TryLoginAsync(database, issued.Login, Cancellation);

            await issuer.RevokeAsync(new(role, database, issued.Id), Cancellation);

            (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, issued.Login, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        }
    }
}
