using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The server is told a password's verifier, so that its log has no password.</summary>
public sealed class PasswordVerifierTests(SharedServers servers)
{
    private static readonly Login User = new("b-user", new("Pass-word_1"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("CREATE ROLE a PASSWORD 'Pass-word_1'", true)]
    [InlineData("create user a encrypted password\n'Pass-word_1' NOINHERIT", true)]
    [InlineData("ALTER ROLE a PASSWORD E'Pass-word_1'", true)]
    [InlineData("CREATE ROLE a PASSWORD $$Pass-word_1$$ LOGIN", true)]
    [InlineData("CREATE ROLE a PASSWORD $p$Pass-word_1$p$", true)]
    [InlineData("CREATE ROLE a PASSWORD 'another'", false)]
    [InlineData("CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'Pass-word_1')", false)]
    public void L6_A_password_is_recognised_in_whichever_quotes_it_stands(string statement, bool verified)
    {
        var sent = PasswordVerifier.PutIn(statement, User, "scram-sha-256", 4096);

        if (!verified) sent.ShouldBe(statement);
        else sent.ShouldSatisfyAllConditions(text => text.ShouldContain(" 'SCRAM-SHA-256$4096:".Replace(" ", "", StringComparison.Ordinal)), text => text.ShouldNotContain("Pass-word_1"));
    }

    [Theory]
    [InlineData(null, "scram-sha-256")]
    [InlineData(18, "scram-sha-256")]
    [InlineData(null, "md5")]
    public async Task L6_The_servers_log_has_every_statement_and_no_password(int? version, string encryption)
    {
        await using var server = await LocalPostgres.StartAsync(
            new() { Version = version, Settings = new Dictionary<string, string> { ["log_statement"] = "all", ["password_encryption"] = encryption } }, Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        await using var bench = await PostgresFixture.StartAsync(server, Cancellation);
        var issuer = new BuiltInIssuer(new DatabaseEngines(_ => engine));
        var role = new Role
        {
            Name = "orders-api",
            Database = "orders",
            Issuer = "built-in",
            CreationStatements = ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT pg_monitor TO \"{{name}}\""],
        };

        var issued = await issuer.IssueAsync(new(role, bench.Database, null, TimeProvider.System.GetUtcNow()), Cancellation);

        var stored = await bench.AskAsync<string>($"SELECT rolpassword FROM pg_authid WHERE rolname = '{issued.Id}'", Cancellation);
        stored.ShouldNotBeNull().ShouldStartWith(encryption == "md5" ? "md5" : "SCRAM-SHA-256$4096:");
        if (server.Directory is { } home)
        {
            var log = await File.ReadAllTextAsync(Path.Combine(home, "postgres.log"), Cancellation);
            log.ShouldContain($"CREATE ROLE \"{issued.Id}\"");
            log.ShouldNotContain(issued.Login.Password.Reveal());
        }

        // With md5 stored, this server's rule for logins (scram) lets nobody in: that is its administrator's choice, with any password.
        if (encryption != "md5") await engine.TryLoginAsync(bench.Database, issued.Login, Cancellation);
    }

    // Neon passes passwords to what keeps them for it, and credcheck looks at their letters: https://neon.com/docs/manage/roles, https://github.com/HexaCluster/credcheck
    [Theory]
    [InlineData("neon.tenant_id", "a1b2c3", null)]
    [InlineData(null, null, "Received HTTP code 400 from the control plane: Neon only supports being given plaintext passwords")]
    [InlineData(null, null, "password type is not a plain text")]
    public async Task A_server_that_takes_no_verifiers_is_told_the_password(string? setting, string? value, string? refusal)
    {
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        if (setting is not null) await bench.DoAsync($"ALTER DATABASE {bench.Name} SET {setting} = '{value}'", Cancellation);

        foreach (var name in new[] { bench.Name + "-one", bench.Name + "-two" })
        {
            // What it makes of a password is MD5 by then; a verifier that it is given stays what it is.
            List<string> statements = ["SET LOCAL password_encryption = 'md5'", $"CREATE ROLE \"{name}\" LOGIN PASSWORD 'Pass-word_1'"];
            if (refusal is not null)
                statements.Add($"DO $$ BEGIN IF EXISTS (SELECT FROM pg_authid WHERE rolname = '{name}' AND rolpassword LIKE 'SCRAM%') THEN RAISE EXCEPTION '{refusal}'; END IF; END $$");

            await engine.CreateUserAsync(bench.Database, new(name, User.Password), statements, null, Cancellation);

            (await bench.AskAsync<string>($"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'", Cancellation)).ShouldNotBeNull().ShouldStartWith("md5");
        }

        await engine.SetPasswordAsync(bench.Database, new(bench.Name + "-one", new("another")), Cancellation);
        await engine.RehearseAsync(bench.Database, Cancellation);
    }

    [Theory]
    [InlineData("CREATE ROLE \"b-user\" LOGIN PASSWORD 'Pass-word_1' VALID UNTIL 'x'", true)]
    [InlineData("create user \"b-user\" with encrypted password /* here */ 'Pass-word_1'", true)]
    [InlineData("/* a */ ALTER ROLE \"b-user\" PASSWORD 'Pass-word_1'", true)]
    [InlineData("CREATE USER MAPPING FOR \"b-user\" SERVER s OPTIONS (user 'u', password 'Pass-word_1')", false)]
    [InlineData("COMMENT ON ROLE x IS 'password'", false)]
    [InlineData("CREATE ROLE x PASSWORD 'another'", false)]
    [InlineData("SELECT make_user('Pass-word_1')", false)]
    public void Only_the_password_of_a_role_is_replaced(string statement, bool replaced)
    {
        var sent = PasswordVerifier.PutIn(statement, User, "scram-sha-256", 4096);
        if (replaced) sent.ShouldNotContain("Pass-word_1");
        else sent.ShouldBe(statement);
        PasswordVerifier.PutIn(statement, User, null, 4096).ShouldBe(statement, "a server that does not say how it keeps passwords");
    }
}
