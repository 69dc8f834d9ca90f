using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
using Broker.Tests.Databases;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.BuiltIn;

/// <summary>What the built-in issuer makes of a role's statements, beyond the contract.</summary>
public sealed class BuiltInStatementsTests(SharedServers servers) : IAsyncLifetime
{
    private readonly PostgreSqlEngine engine = new(TimeProvider.System);
    private readonly FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
    private PostgresFixture postgres = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private BuiltInIssuer Issuer => new(new DatabaseEngines(_ => engine));

    private Role Role => BuiltInIssuerTests.RoleOf(postgres);

    public async ValueTask InitializeAsync() => postgres = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await postgres.DisposeAsync();
    }

    [Fact]
    public async Task The_user_ends_five_seconds_after_its_lease_and_renewing_moves_that()
    {
        var role = Role with { LeaseTtl = TimeSpan.FromHours(2) };
        var issued = await IssueAsync(role);
        issued.Term.Duration.ShouldBe(role.LeaseTtl);
        (await EndAsync(issued)).ShouldBe(ToSecond(clock.GetUtcNow().AddHours(2).AddSeconds(5)));

        clock.Advance(TimeSpan.FromMinutes(30));
        (await Issuer.LookUpAsync(new(role, postgres.Database, issued.Id), clock.GetUtcNow(), Cancellation))!.Duration
            .ShouldBe(TimeSpan.FromMinutes(90), tolerance: TimeSpan.FromSeconds(1));
        (await Issuer.RenewAsync(new(role, postgres.Database, issued.Id), TimeSpan.FromHours(3), clock.GetUtcNow(), Cancellation)).Duration.ShouldBe(TimeSpan.FromHours(3));

        (await EndAsync(issued)).ShouldBe(ToSecond(clock.GetUtcNow().AddHours(3).AddSeconds(5)));
        clock.Advance(TimeSpan.FromHours(4));
        (await Issuer.LookUpAsync(new(role, postgres.Database, issued.Id), clock.GetUtcNow(), Cancellation))!.Duration.ShouldBe(TimeSpan.Zero);
    }

    [Theory]
    [InlineData("do $$ begin create role \"{{name}}\" login password '{{password}}'; end $$;")]
    [InlineData("CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; COMMENT ON ROLE \"{{name}}\" IS 'a;b'; -- and; this\n/* or; this */")]
    [InlineData("BEGIN; CREATE ROLE \"{{ name }}\" LOGIN PASSWORD '{{ password }}'; COMMIT;")]
    [InlineData("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'")]
    [InlineData("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END; $body$; CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; SELECT f();")]
    [InlineData("WyJDUkVBVEUgUk9MRSBcInt7bmFtZX19XCIgTE9HSU4gUEFTU1dPUkQgJ3t7cGFzc3dvcmR9fSc7IiwgIlNFTEVDVCAxIl0=")]
    [InlineData("SET standard_conforming_strings = off; CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; COMMENT ON ROLE \"{{name}}\" IS 'it\\'s; off'; SELECT 1")]
    [InlineData("CREATE ROLE \"{{username}}\" LOGIN PASSWORD E'{{password}}'; COMMENT ON ROLE \"{{name}}\" IS E'it\\'s;'\n ' on'; SELECT 1;")]
    [InlineData("/* a /* nested; */ comment's; */ CREATE ROLE \"{{name}}\" LOGIN PASSWORD $pw${{password}}$pw$; COMMENT ON ROLE \"{{name}}\" IS U&'d!0061t;a' UESCAPE '!'")]
    [InlineData("CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; CREATE TABLE t (x int); CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'")]
    public async Task What_SQL_can_say_in_one_entry_makes_a_user_that_logs_in(string statements)
    {
        var issued = await IssueAsync(Role with { CreationStatements = [statements] });

        await engine.TryLoginAsync(postgres.Database, issued.Login, Cancellation);
    }

    [Fact]
    public async Task A_backslash_means_itself_in_plain_quotes_whatever_the_servers_default_is()
    {
        var name = await postgres.AskAsync<string>("SELECT current_database()", Cancellation);
        await postgres.AskAsync<object>($"ALTER DATABASE \"{name}\" SET standard_conforming_strings = off", Cancellation);
        await using var fresh = new PostgreSqlEngine(TimeProvider.System);
        var role = Role with { CreationStatements = ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; COMMENT ON ROLE \"{{name}}\" IS 'C:\\'; SELECT 1"] };
        var issuer = new BuiltInIssuer(new DatabaseEngines(_ => fresh));

        var issued = await issuer.IssueAsync(new(role, postgres.Database, issuer.ProposeUsername(role, postgres.Database), clock.GetUtcNow()), Cancellation);

        await fresh.TryLoginAsync(postgres.Database, issued.Login, Cancellation);
        (await postgres.AskAsync<string>($"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = '{issued.Id}'", Cancellation)).ShouldBe(@"C:\");
    }

    [Fact]
    public async Task Statements_that_would_commit_by_themselves_make_no_user_and_say_why()
    {
        var role = Role with { CreationStatements = ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; ROLLBACK"] };

        (await Should.ThrowAsync<IssuerException>(() => IssueAsync(role))).Message.ShouldContain("one transaction");

        (await Issuer.ListAsync(role, postgres.Database, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_user_without_an_end_is_looked_up_with_a_warning()
    {
        var role = Role with { CreationStatements = ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"] };
        var issued = await IssueAsync(role);

        var term = await Issuer.LookUpAsync(new(role, postgres.Database, issued.Id), clock.GetUtcNow(), Cancellation);

        term.ShouldNotBeNull().Warning.ShouldNotBeNull();
    }

    [Fact]
    public async Task The_roles_own_statements_renew_and_revoke()
    {
        var role = Role with
        {
            RenewStatements = ["ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}'; COMMENT ON ROLE \"{{username}}\" IS 'renewed'"],
            RevocationStatements = ["DROP OWNED BY \"{{name}}\"; DROP ROLE \"{{name}}\"; CREATE TABLE revoked (x int)"],
        };
        var issued = await IssueAsync(role);

        await Issuer.RenewAsync(new(role, postgres.Database, issued.Id), TimeSpan.FromHours(1), clock.GetUtcNow(), Cancellation);
        (await postgres.AskAsync<string>($"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = '{issued.Id}'", Cancellation))
            .ShouldBe("renewed");
        await Issuer.RevokeAsync(new(role, postgres.Database, issued.Id), Cancellation);

        (await postgres.AskAsync<bool>("SELECT to_regclass('revoked') IS NOT NULL", Cancellation)).ShouldBeTrue();
        (await engine.FindUsersAsync(postgres.Database, issued.Id, Cancellation)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("ALTER ROLE \"{{name}}\" CONNECTION LIMIT 0")]
    [InlineData("DROP ROLE IF EXISTS \"{{name}}-of-another-name\"")]
    public async Task A_user_that_its_roles_statements_leave_is_not_revoked(string statement)
    {
        var role = Role with { RevocationStatements = [statement] };
        var issued = await IssueAsync(role);

        var failure = await FailureAsync(() => Issuer.RevokeAsync(new(role, postgres.Database, issued.Id), Cancellation));

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("RevocationStatements");
        failure.Message.ShouldContain(issued.Id);
        (await postgres.AskAsync<bool>($"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{issued.Id}'", Cancellation)).ShouldBeFalse("it is let in no more all the same");

        await Issuer.RevokeAsync(new(role with { RevocationStatements = [] }, postgres.Database, issued.Id), Cancellation);
        (await engine.FindUsersAsync(postgres.Database, issued.Id, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_role_without_statements_is_refused_and_says_what_to_write()
    {
        var failure = await FailureAsync(() => IssueAsync(Role with { CreationStatements = [] }));

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("CreationStatements");
    }

    [Theory]
    [InlineData("CREATE ROLE \"{{name}}\" LOGIN PASSWORD \"{{password}}\"")]
    [InlineData("CREATE ROLE \"{{name}}\" LOGIN; SELECT '{{password}}'::int")]
    [InlineData("CREATE TABLE IF NOT EXISTS pws (pw text CHECK (length(pw) < 5)); INSERT INTO pws VALUES ('{{password}}')")]
    public async Task L6_A_refused_statement_does_not_tell_the_password(string statements)
    {
        var seen = new SeenStatements(engine);
        var issuer = new BuiltInIssuer(new DatabaseEngines(_ => seen));

        var failure = await FailureAsync(() => issuer.IssueAsync(new(Role with { CreationStatements = [statements] }, postgres.Database, null, clock.GetUtcNow()), Cancellation));

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("[redacted]");
        var password = seen.Password.ShouldNotBeNull();
        for (var start = 0; start <= password.Length - 6; start++)
            failure.ToString().ShouldNotContain(password.Substring(start, 6));
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_unavailable_for_every_call()
    {
        var gone = postgres.Database with { Port = 1 };
        var lease = new IssuerLease(Role, gone, "b-x");

        foreach (var call in new Func<Task>[]
        {
            () => Issuer.IssueAsync(new(Role, gone, null, clock.GetUtcNow()), Cancellation),
            () => Issuer.RenewAsync(lease, TimeSpan.FromHours(1), clock.GetUtcNow(), Cancellation),
            () => Issuer.RevokeAsync(lease, Cancellation),
            () => Issuer.LookUpAsync(lease, clock.GetUtcNow(), Cancellation),
            () => Issuer.ListAsync(Role, gone, Cancellation),
        })
            (await FailureAsync(call)).Failure.ShouldBe(IssuerFailure.DatabaseUnavailable);
    }

    [Fact]
    public async Task L5_A_lost_answer_is_told_as_one()
    {
        var role = Role with { CreationStatements = ["CREATE ROLE \"{{name}}\"; SELECT pg_terminate_backend(pg_backend_pid())"] };

        (await FailureAsync(() => IssueAsync(role))).Failure.ShouldBe(IssuerFailure.AnswerLost);
    }

    [Fact]
    public async Task The_users_of_a_role_whose_name_goes_on_are_not_listed()
    {
        var longer = Role with { Name = Role.Name[..10] + "-x" };
        var role = Role with { Name = Role.Name[..10] };
        var issued = await IssueAsync(role);
        await IssueAsync(longer);

        (await Issuer.ListAsync(role, postgres.Database, Cancellation)).ShouldBe([issued.Id]);
    }

    private Task<IssuedLease> IssueAsync(Role role) =>
        Issuer.IssueAsync(new(role, postgres.Database, Issuer.ProposeUsername(role, postgres.Database), clock.GetUtcNow()), Cancellation);

    private async Task<DateTimeOffset?> EndAsync(IssuedLease issued) =>
        (await engine.FindUsersAsync(postgres.Database, issued.Id, Cancellation)).ShouldHaveSingleItem().ValidUntil;

    private static DateTimeOffset ToSecond(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());

    private static async Task<IssuerException> FailureAsync(Func<Task> call) => await Should.ThrowAsync<IssuerException>(call);
}
