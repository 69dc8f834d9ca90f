using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What a test of an engine needs of a real server.</summary>
/// <param name="Engine">The engine under test.</param>
/// <param name="Database">A database of the test's own.</param>
/// <param name="UserPrefix">What no other test's user names begin with.</param>
public abstract record EngineBench(IDatabaseEngine Engine, Database Database, string UserPrefix) : IAsyncDisposable
{
    /// <summary>The server's limit of connections, and those of it that ordinary users never get.</summary>
    public abstract (int Limit, int Reserved) Limits { get; }

    /// <summary>Whether a user's password stops working by itself.</summary>
    public virtual bool UsersEnd => true;

    /// <summary>Whether a login is refused for a database that is not there.</summary>
    public virtual bool DatabasesAreMade => true;

    /// <summary>Whether a user that is shut out loses its connections; where not, they are good for nothing.</summary>
    public virtual bool ShutOutClosesConnections => true;

    /// <summary>Whether a user that is there can be given another password.</summary>
    public virtual bool HasStaticRoles => true;

    /// <summary>The database where nothing listens.</summary>
    public virtual Database Gone => Database with { Port = 1 };

    /// <summary>What of a password the server takes.</summary>
    public virtual string Taken(string password) => password;

    /// <summary>Whether the sessions of a user that was dropped go on working.</summary>
    public virtual bool SessionsOutliveUsers => true;

    /// <summary>The statements that make a user whose password works until then, where passwords end.</summary>
    public abstract IReadOnlyList<string> CreateUser(Login login, DateTimeOffset validUntil);

    /// <summary>A statement the server refuses.</summary>
    public abstract string RefusedStatement { get; }

    /// <summary>Opens a session as the user; asked again, it says whether the session still works.</summary>
    public abstract Task<Func<Task<bool>>> OpenSessionAsync(Login login);

    /// <summary>What every format can carry in a user's name, in the most awkward form.</summary>
    public virtual string OddName => "us er@x:/";

    /// <summary>Connects with each of the strings, by a client of its format where there is one here, and says who it was.</summary>
    public abstract Task<IReadOnlyDictionary<string, string>> WhoAmIAsync(ConnectionStrings strings);

    public abstract ValueTask DisposeAsync();
}

/// <summary>What every engine must do, on a real server.</summary>
public abstract class DatabaseEngineContract : IAsyncLifetime
{
    private EngineBench bench = null!;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract Task<EngineBench> SetUpAsync();

    private IDatabaseEngine Engine => bench.Engine;

    private Database Database => bench.Database;

    public async ValueTask InitializeAsync() => bench = await SetUpAsync();

    public async ValueTask DisposeAsync()
    {
        await bench.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Rehearsing_an_issue_makes_nobody()
    {
        await Engine.RehearseAsync(Database, Cancellation);

        (await Engine.FindUsersAsync(Database, "nobody", Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_sample_has_the_limits_and_counts_each_users_connections()
    {
        var (one, two) = (await CreateAsync("one"), await CreateAsync("two"));
        await bench.OpenSessionAsync(one);
        await bench.OpenSessionAsync(one);
        await bench.OpenSessionAsync(two);

        var sample = await Engine.SampleAsync(Database, Cancellation);

        (sample.Limit, sample.Reserved).ShouldBe(bench.Limits);
        sample.DatabaseLimit.ShouldBeNull();
        sample.Users.ShouldContain(new UserConnections(one.Username, 2, 2));
        sample.Users.ShouldContain(new UserConnections(two.Username, 1, 1));
    }

    [Fact]
    public async Task Sessions_are_told_by_user_and_none_of_them_is_busy_that_does_nothing()
    {
        var (one, two) = (await CreateAsync("one"), await CreateAsync("two"));
        await bench.OpenSessionAsync(one);
        await bench.OpenSessionAsync(one);
        await bench.OpenSessionAsync(two);

        var sessions = await Engine.SessionsAsync(Database, Cancellation);

        (int Open, int InTransaction, TimeSpan? Query) Of(Login login) => sessions.Where(alike => alike.Username == login.Username).ToArray() is var its
            ? (its.Sum(alike => alike.Open), its.Sum(alike => alike.IdleInTransaction), its.Max(alike => alike.LongestIdleInTransaction)) : default;
        Of(one).ShouldBe((2, 0, null));
        Of(two).ShouldBe((1, 0, null));
        await Assert.ThrowsAsync<DatabaseException>(() => Engine.SessionsAsync(bench.Gone, Cancellation));
    }

    [Fact]
    public async Task L3_A_login_that_works_is_told_from_one_that_does_not()
    {
        var login = await CreateAsync("user");

        await Engine.TryLoginAsync(Database, login, Cancellation);

        var wrong = await FailureAsync(() => Engine.TryLoginAsync(Database, login with { Password = new("wrong-password") }, Cancellation));
        wrong.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        wrong.ToString().ShouldNotContain("wrong-password");
        (await FailureAsync(() => Engine.TryLoginAsync(Database, new(bench.UserPrefix + "nobody", new("x")), Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.LoginRefused);
        if (bench.DatabasesAreMade)
            (await FailureAsync(() => Engine.TryLoginAsync(Database with { DatabaseName = "no-such-database" }, login, Cancellation)))
                .Failure.ShouldBe(DatabaseFailure.LoginRefused);
    }

    [Fact]
    public async Task A_login_past_its_end_is_refused_or_is_known_to_have_none()
    {
        var login = await CreateAsync("late", TimeSpan.FromHours(-1));

        if (bench.UsersEnd)
            (await FailureAsync(() => Engine.TryLoginAsync(Database, login, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        else
            (await Engine.FindUsersAsync(Database, login.Username, Cancellation)).ShouldHaveSingleItem().ValidUntil.ShouldBeNull();
    }

    [Fact]
    public async Task A_login_that_was_tried_leaves_no_connection_open()
    {
        var login = await CreateAsync("user");

        await Engine.TryLoginAsync(Database, login, Cancellation);

        await Eventually.HoldsAsync(
            async () => (await Engine.SampleAsync(Database, Cancellation)).Users.All(user => user.Username != login.Username),
            "the tried login's connection is closed",
            Cancellation);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_unavailable()
    {
        var login = await CreateAsync("user");
        var gone = bench.Gone;

        (await FailureAsync(() => Engine.TryLoginAsync(gone, login, Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => Engine.SampleAsync(gone, Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => Engine.FindUsersAsync(gone, "x", Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => Engine.CreateUserAsync(gone, login, [bench.RefusedStatement], null, Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => Engine.RunAsync(gone, [bench.RefusedStatement], Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => Engine.DropUserAsync(gone, "x", [], null, Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
    }

    [Fact]
    public async Task L6_An_administrator_connection_string_never_shows_in_an_error()
    {
        foreach (var text in new[] { "Password=hush-hush;Hots=x", "hush-hush", "Username=x;Password=hush-hush;Port=hush-hush", "Username=x;Password=hush-hush" })
        {
            var failure = await FailureAsync(() => Engine.SampleAsync(Database with { AdminConnectionString = new(text) }, Cancellation));
            failure.ToString().ShouldNotContain("hush");
        }
    }

    [Fact]
    public async Task A_caller_that_leaves_gets_its_cancellation_back()
    {
        using var left = new CancellationTokenSource();
        await left.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => Engine.SampleAsync(Database, left.Token));
        await Should.ThrowAsync<OperationCanceledException>(() => Engine.RunAsync(Database, [], left.Token));
        await Should.ThrowAsync<OperationCanceledException>(() => Engine.TryLoginAsync(Database, new("x", new("x")), left.Token));
    }

    [Fact]
    public async Task A_refused_statement_leaves_nothing_of_those_before_it()
    {
        var login = New("half");

        var failure = await FailureAsync(() => Engine.CreateUserAsync(
            Database, login, [.. bench.CreateUser(login, TimeProvider.System.GetUtcNow().AddHours(1)), bench.RefusedStatement], null, Cancellation));

        failure.Failure.ShouldBe(DatabaseFailure.StatementRefused);
        failure.ToString().ShouldNotContain(login.Password.Reveal());
        (await Engine.FindUsersAsync(Database, login.Username, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Shutting_a_user_out_ends_its_sessions_and_lets_it_in_no_more()
    {
        var login = await CreateAsync("user");
        var sessions = new[] { await bench.OpenSessionAsync(login), await bench.OpenSessionAsync(login) };

        await Engine.ShutOutAsync(Database, login.Username, Cancellation);

        foreach (var works in sessions)
            (await works()).ShouldBeFalse();
        if (bench.ShutOutClosesConnections)
            (await Engine.SampleAsync(Database, Cancellation)).Users.ShouldAllBe(user => user.Username != login.Username);
        (await FailureAsync(() => Engine.TryLoginAsync(Database, login, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        await Engine.ShutOutAsync(Database, login.Username, Cancellation);
        await Engine.ShutOutAsync(Database, bench.UserPrefix + "never-was", Cancellation);
    }

    [Fact]
    public async Task Dropping_a_user_leaves_nothing_but_the_sessions_it_has()
    {
        var login = await CreateAsync("user");
        var works = await bench.OpenSessionAsync(login);

        await Engine.DropUserAsync(Database, login.Username, [], null, Cancellation);

        if (bench.SessionsOutliveUsers)
            (await works()).ShouldBeTrue();
        (await Engine.FindUsersAsync(Database, login.Username, Cancellation)).ShouldBeEmpty();
        (await FailureAsync(() => Engine.TryLoginAsync(Database, login, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
    }

    [Fact]
    public async Task A_user_that_does_not_exist_is_dropped_already()
    {
        await Engine.DropUserAsync(Database, bench.UserPrefix + "never-was", [], null, Cancellation);
        await Engine.DropUserAsync(Database, bench.UserPrefix + "never-was", [bench.RefusedStatement], null, Cancellation);
    }

    [Fact]
    public async Task Two_that_drop_the_same_user_at_once_both_succeed()
    {
        for (var round = 0; round < 5; round++)
        {
            var login = await CreateAsync($"user{round}");
            await bench.OpenSessionAsync(login);

            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Engine.DropUserAsync(Database, login.Username, [], null, Cancellation)));

            (await Engine.FindUsersAsync(Database, login.Username, Cancellation)).ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task Users_are_found_by_the_beginning_of_their_names_with_their_end_and_sessions()
    {
        var end = DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeSeconds());
        var wanted = await CreateAsync("a_b-1", TimeSpan.FromHours(1), end);
        await CreateAsync("axb-1");
        await bench.OpenSessionAsync(wanted);

        var found = await Engine.FindUsersAsync(Database, bench.UserPrefix + "a_b", Cancellation);

        var user = found.ShouldHaveSingleItem();
        user.Username.ShouldBe(wanted.Username);
        user.OpenConnections.ShouldBe(1);
        if (user.ValidUntil is { } until)
            until.ShouldBe(end);
        (await Engine.FindUsersAsync(Database, bench.UserPrefix + "%", Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_user_that_exists_is_not_made_again_and_stays_as_it_is()
    {
        var login = await CreateAsync("user");
        var other = login with { Password = new("another") };

        (await FailureAsync(() => Engine.CreateUserAsync(
            Database, other, bench.CreateUser(other, TimeProvider.System.GetUtcNow().AddHours(1)), null, Cancellation))).Failure.ShouldBe(DatabaseFailure.StatementRefused);

        await Engine.TryLoginAsync(Database, login, Cancellation);
    }

    [Fact]
    public async Task A_capped_user_gets_no_connection_more_and_others_are_not_touched()
    {
        if (!Engine.Dialect.CapsUsers)
        {
            await Should.ThrowAsync<NotSupportedException>(() => Engine.CapUserAsync(Database, "x", 1, Cancellation));
            return;
        }

        var (capped, other) = (await CreateAsync("capped"), await CreateAsync("other"));
        await Engine.CapUserAsync(Database, capped.Username, 2, Cancellation);
        var first = await bench.OpenSessionAsync(capped);
        await bench.OpenSessionAsync(capped);

        var refusal = await FailureAsync(() => Engine.TryLoginAsync(Database, capped, Cancellation));
        refusal.Failure.ShouldBe(DatabaseFailure.UserLimitReached);
        await Engine.TryLoginAsync(Database, other, Cancellation);

        // PostgreSQL counts a connection that it refused until that one's process has ended, which is after its client knows.
        await Engine.CapUserAsync(Database, capped.Username, 3, Cancellation);
        await Eventually.HoldsAsync(() => LogsInAsync(capped), "the third connection is let in", Cancellation);
        await Engine.CapUserAsync(Database, capped.Username, 1, Cancellation);
        (await first()).ShouldBeTrue("open connections stay");
        (await FailureAsync(() => Engine.TryLoginAsync(Database, capped, Cancellation))).Failure.ShouldBe(DatabaseFailure.UserLimitReached);
        await Engine.CapUserAsync(Database, capped.Username, null, Cancellation);
        await Engine.TryLoginAsync(Database, capped, Cancellation);
        await Engine.CapUserAsync(Database, bench.UserPrefix + "never-was", 1, Cancellation);
    }

    private async Task<bool> LogsInAsync(Login login)
    {
        try
        {
            await Engine.TryLoginAsync(Database, login, Cancellation);
            return true;
        }
        catch (DatabaseException refused) when (refused.Failure == DatabaseFailure.UserLimitReached)
        {
            return false;
        }
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("p@ss:w/ord?#[]!&=+%41 ;,")]
    [InlineData("it's \"quoted\" {braces} \\back\\ $1 ${x}")]
    [InlineData(" pässwörd 密码 🔑 ")]
    [InlineData("=;'\"=;'\"")]
    public async Task Connection_strings_carry_passwords_of_any_characters(string password)
    {
        var login = new Login(bench.UserPrefix + bench.OddName, new(bench.Taken(password)));
        await Engine.CreateUserAsync(Database, login, bench.CreateUser(login, TimeProvider.System.GetUtcNow().AddHours(1)), null, Cancellation);

        var strings = Engine.Describe(Database, login, 7);

        var seen = await bench.WhoAmIAsync(strings);
        seen.Keys.ShouldBe(["uri", "adoNet", "jdbc", "go", "python"], ignoreOrder: true);
        seen.Values.ShouldAllBe(name => name == login.Username);
    }

    protected static async Task<DatabaseException> FailureAsync(Func<Task> call) => await Should.ThrowAsync<DatabaseException>(call);

    private Login New(string suffix) => new(bench.UserPrefix + suffix, new($"Pw{Guid.NewGuid():N}"));

    [Fact]
    public async Task L4_Another_password_lets_in_whoever_knows_it_and_ends_no_session()
    {
        var before = await CreateAsync("static");
        var after = before with { Password = new("Another-password_1") };
        if (!bench.HasStaticRoles)
        {
            await Should.ThrowAsync<NotSupportedException>(() => Engine.SetPasswordAsync(Database, after, Cancellation));
            return;
        }

        var session = await bench.OpenSessionAsync(before);
        await Engine.SetPasswordAsync(Database, after, Cancellation);

        await Engine.TryLoginAsync(Database, after, Cancellation);
        (await FailureAsync(() => Engine.TryLoginAsync(Database, before, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        (await session()).ShouldBeTrue();

        await Engine.ShutOutAsync(Database, before.Username, Cancellation);
        (await FailureAsync(() => Engine.TryLoginAsync(Database, after, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        await Engine.SetPasswordAsync(Database, before, Cancellation);
        await Engine.TryLoginAsync(Database, before, Cancellation);
        (await FailureAsync(() => Engine.SetPasswordAsync(Database, new(bench.UserPrefix + "nobody", new("x")), Cancellation))).Failure.ShouldBe(DatabaseFailure.StatementRefused);
    }

    private async Task<Login> CreateAsync(string suffix, TimeSpan? lives = null, DateTimeOffset? until = null)
    {
        var login = New(suffix);
        var end = until ?? TimeProvider.System.GetUtcNow() + (lives ?? TimeSpan.FromHours(1));
        await Engine.CreateUserAsync(Database, login, bench.CreateUser(login, end), null, Cancellation);
        return login;
    }
}
