using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Identity;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What the broker sees of a real PgBouncer, and what it tells it.</summary>
public sealed class PoolerTests : IAsyncLifetime
{
    private readonly PostgreSqlEngine engine = new(TimeProvider.System);
    private LocalPostgres postgres = null!;
    private LocalPgBouncer pgBouncer = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Database Orders => Pooled.Of(postgres, pgBouncer);

    private static Role Api => new() { Name = "orders-api", Database = "orders", Issuer = "here" };

    public async ValueTask InitializeAsync()
    {
        postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        pgBouncer = await LocalPgBouncer.StartAsync(postgres, new() { MaxClients = 321 }, Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await pgBouncer.DisposeAsync();
        await postgres.DisposeAsync();
    }

    [Fact]
    public async Task Its_clients_are_counted_by_user_and_holder_and_the_server_behind_it_beside_them()
    {
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
        var name = HolderName.Of("shop/orders-1", "orders-api.abcdefgh12345678");
        await using var one = await OpenAsync("u1", "p1", name);
        await using var two = await OpenAsync("u1", "p1", "psql");

        var sample = await engine.SampleAsync(Orders, Cancellation);

        sample.Limit.ShouldBe(321, "as many clients as it takes");
        sample.Reserved.ShouldBe(0);
        var user = sample.Users.ShouldHaveSingleItem();
        (user.Username, user.Open, user.InDatabase).ShouldBe(("u1", 2, 2));
        user.Named.ShouldBe(new Dictionary<string, int> { ["12345678"] = 1 });
        var pool = sample.Pool.ShouldNotBeNull();
        pool.Allowed.ShouldBe(4, "as its file says");
        var process = pool.Processes.ShouldHaveSingleItem();
        (process.Address, process.Mode, process.Allowed, process.Clients, process.Waiting, process.Error).ShouldBe(($"127.0.0.1:{pgBouncer.Port}", "transaction", 4, 2, 0, null));
        process.Open.ShouldBeInRange(1, 3, "and one that looks users up");
        pool.Server.Limit.ShouldBe(60);
        pool.Server.Users.Single(seen => seen.Username == "u1").Open.ShouldBeInRange(1, 2, "both clients have been idle, and may share one");
        sample.Server.ShouldNotBeNull().ShouldBe((await engine.SampleAsync(Orders with { Pooler = null }, Cancellation)).Server, "it is on the server behind the pooler");

        var sessions = await engine.SessionsAsync(Orders, Cancellation);
        sessions.Single(session => session.Program == name).ShouldBe(new("u1", name, "127.0.0.1", 1, 1, 0, null, null));
        sessions.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_pooler_is_told_its_size_once_and_lets_go_of_what_is_beyond_it()
    {
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
        (await engine.ResizePoolAsync(Orders, 12, 1, Cancellation)).ShouldBeTrue();
        (await SizesAsync()).ShouldBe((12, 10), "two are kept for logins");
        (await engine.ResizePoolAsync(Orders, 12, 1, Cancellation)).ShouldBeFalse("it has that");
        (await engine.SampleAsync(Orders, Cancellation)).Pool!.Allowed.ShouldBe(12);

        var clients = new List<NpgsqlConnection>();
        for (var i = 0; i < 30; i++) clients.Add(await OpenAsync("u1", "p1", "load"));
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var failed = new ConcurrentQueue<string>();
        var ran = 0;
        var load = clients.Select(async client =>
        {
            while (!end.IsCancellationRequested)
            {
                try
                {
                    await RunAsync(client, "SELECT pg_sleep(0.005)", Cancellation);
                    Interlocked.Increment(ref ran);
                }
                catch (NpgsqlException failure)
                {
                    failed.Enqueue(failure.ToString());
                    return;
                }
            }
        }).ToArray();
        await Eventually.HoldsAsync(async () => await ServerConnectionsAsync() is > 6 and <= 12, "many clients use many connections", Cancellation);
        (await engine.ResizePoolAsync(Orders, 8, 2, Cancellation)).ShouldBeTrue();
        (await SizesAsync()).ShouldBe((8, 3), "two users share what logins leave");
        (await engine.SampleAsync(Orders, Cancellation)).Pool!.Allowed.ShouldBeGreaterThanOrEqualTo(8);
        var before = Volatile.Read(ref ran);
        await Eventually.HoldsAsync(() => Task.FromResult(!failed.IsEmpty || Volatile.Read(ref ran) > before + 1000), "a thousand statements run while it has fewer", Cancellation);
        await end.CancelAsync();
        await Task.WhenAll(load);
        await Eventually.HoldsAsync(async () => await ServerConnectionsAsync() <= 3, "what is beyond that ends as it comes free", Cancellation);
        (await engine.SampleAsync(Orders, Cancellation)).Pool!.Allowed.ShouldBe(8);
        failed.ShouldBeEmpty("no statement ended with it");
        foreach (var client in clients) await client.DisposeAsync();
    }

    [Fact]
    public async Task A_size_that_its_own_file_overrules_is_told_in_words()
    {
        await using var stubborn = await LocalPgBouncer.StartAsync(postgres, new() { LineOptions = "pool_size=7" }, Cancellation);
        var failure = await Should.ThrowAsync<DatabaseException>(() => engine.ResizePoolAsync(Orders.By(stubborn.ConsoleConnectionString), 12, 1, Cancellation));
        failure.Message.ShouldContain("remove pool_size and max_db_connections from the line of 'app'");
    }

    [Fact]
    public async Task A_mode_in_which_each_client_keeps_a_connection_is_refused_in_words()
    {
        await pgBouncer.ConsoleAsync("SET pool_mode=statement", Cancellation);
        (await engine.SampleAsync(Orders, Cancellation)).Pool!.Processes.ShouldHaveSingleItem().Mode.ShouldBe("statement");
        await pgBouncer.ConsoleAsync("SET pool_mode=session", Cancellation); // PgBouncer's own default
        await RefusedAsync(Orders);
        await using var stubborn = await LocalPgBouncer.StartAsync(postgres, new() { LineOptions = "pool_mode=session" }, Cancellation);
        await RefusedAsync(Orders.By(stubborn.ConsoleConnectionString));

        async Task RefusedAsync(Database database)
        {
            var failure = await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(database, Cancellation));
            failure.Failure.ShouldBe(DatabaseFailure.StatementRefused);
            failure.Message.ShouldContain("pool_mode = session for 'app'");
            failure.Message.ShouldContain("write pool_mode = transaction");
        }
    }

    [Fact]
    public async Task A_size_without_limit_is_told_as_one()
    {
        await pgBouncer.ConsoleAsync("SET max_db_connections=0", Cancellation);
        (await engine.SampleAsync(Orders, Cancellation)).Pool!.Allowed.ShouldBeGreaterThan(100_000);
        await Should.ThrowAsync<DatabaseException>(() => engine.ResizePoolAsync(Orders, 0, 1, Cancellation));
        (await SizesAsync()).ShouldBe((1, 1), "0 would be no limit");
    }

    [Fact]
    public async Task L2_More_processes_than_connections_are_told_in_words_and_what_they_may_open_is_counted()
    {
        await using var other = await LocalPgBouncer.StartAsync(postgres, new() { MaxClients = 100, Beside = pgBouncer }, Cancellation);
        var both = Orders.By($"{pgBouncer.ConsoleConnectionString};Host=127.0.0.1:{pgBouncer.Port},127.0.0.1:{other.Port}");
        var failure = await Should.ThrowAsync<DatabaseException>(() => engine.ResizePoolAsync(both, 1, 1, Cancellation));
        failure.Message.ShouldContain("room for 1 connections of its pooler, which has 2 processes");
        (await SizesAsync()).ShouldBe((1, 1));
        (await engine.SampleAsync(both, Cancellation)).Pool!.Allowed.ShouldBe(2, "they are reserved on the server, beyond the room that there was");
    }

    [Fact]
    public async Task Of_several_processes_one_that_is_away_keeps_its_part()
    {
        await using var other = await LocalPgBouncer.StartAsync(postgres, new() { MaxClients = 100, Beside = pgBouncer }, Cancellation);
        var both = Orders.By($"{pgBouncer.ConsoleConnectionString};Host=127.0.0.1:{pgBouncer.Port},127.0.0.1:{other.Port}");
        await engine.ResizePoolAsync(both, 20, 1, Cancellation);
        (await SizesAsync()).ShouldBe((10, 8));
        var sample = await engine.SampleAsync(both, Cancellation);
        (sample.Limit, sample.Pool!.Allowed).ShouldBe((421, 20));

        await other.StopAsync();
        sample = await engine.SampleAsync(both, Cancellation);
        (sample.Limit, sample.Pool!.Allowed).ShouldBe((321, 20));
        sample.Pool.Processes.Select(process => (process.Address, process.Error is null)).ShouldBe([($"127.0.0.1:{pgBouncer.Port}", true), ($"127.0.0.1:{other.Port}", false)]);
    }

    [Fact]
    public async Task A_console_that_refuses_or_is_away_or_has_no_such_database_is_named()
    {
        (await FailureAsync(Orders.By($"Host=127.0.0.1;Port={pgBouncer.Port};Username=pooler-admin;Password=wrong"))).ShouldBe(DatabaseFailure.LoginRefused);
        (await FailureAsync(Orders.By($"{pgBouncer.ConsoleConnectionString};SSL Mode=Require"))).ShouldBe(DatabaseFailure.LoginRefused, "it has no TLS");
        (await FailureAsync(Orders.By("Host=127.0.0.1;Port=1;Username=x;Password=y"))).ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(Orders.By("nonsense"))).ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(Orders with { Pooler = Orders.Pooler! with { DatabaseName = "elsewhere" } })).ShouldBe(DatabaseFailure.StatementRefused);
    }

    [Theory]
    [InlineData(0)] // no password at all
    [InlineData(3)] // in the clear
    [InlineData(5)] // MD5
    public async Task A_console_that_does_not_prove_itself_is_not_believed(byte method)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var received = ListenAsync();
        (await FailureAsync(Orders.By($"Host=127.0.0.1:{port};Username=pooler-admin;Password=geheim;SSL Mode=Disable"))).ShouldBe(DatabaseFailure.LoginRefused);
        (await received).ShouldNotContain("geheim");

        async Task<string> ListenAsync()
        {
            using var client = await listener.AcceptTcpClientAsync(Cancellation);
            var buffer = new byte[4096];
            await client.GetStream().ReadAtLeastAsync(buffer, 1, cancellationToken: Cancellation);
            byte[] salt = method == 5 ? [1, 2, 3, 4] : [];
            await client.GetStream().WriteAsync((byte[])[(byte)'R', 0, 0, 0, (byte)(8 + salt.Length), 0, 0, 0, method, .. salt], Cancellation);
            var read = await client.GetStream().ReadAsync(buffer, Cancellation);
            return System.Text.Encoding.UTF8.GetString(buffer, 0, read);
        }
    }

    [Fact]
    public async Task A_login_is_tried_through_it_and_a_users_own_limit_is_none_of_its_clients()
    {
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1' CONNECTION LIMIT 7");
        await engine.TryLoginAsync(Orders.SeenBy(Api), new("u1", new("p1")), Cancellation);
        (await pgBouncer.ConsoleAsync("SHOW POOLS", Cancellation)).ShouldContain("app|u1|");
        (await engine.UserLimitAsync(Orders, "u1", Cancellation)).ShouldBeNull();
        (await engine.UserLimitAsync(Orders with { Pooler = null }, "u1", Cancellation)).ShouldBe(7);
        var strings = engine.Describe(Orders.SeenBy(Api), new("u1", new("p1")), 5);
        strings.Servers.ShouldBe([new("127.0.0.1", pgBouncer.Port)]);
        strings.AdoNet.ShouldContain($"Port={pgBouncer.Port}");
    }

    [Fact]
    public async Task A_password_that_changes_is_taken_at_once_and_cuts_off_nobody()
    {
        // As of a static role: https://www.pgbouncer.org/config.html#auth_query. Who is connected stays, and the next connection to the server is made by what was proven last.
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
        await using var before = await OpenAsync("u1", "p1", "before");
        await DoAsync("ALTER ROLE u1 PASSWORD 'p2'");
        await using var after = await OpenAsync("u1", "p2", "after");
        await pgBouncer.ConsoleAsync("RECONNECT app", Cancellation);
        for (var i = 0; i < 5; i++)
        {
            await RunAsync(before, "SELECT 1", Cancellation);
            await RunAsync(after, "SELECT 1", Cancellation);
        }

        await Should.ThrowAsync<NpgsqlException>(() => OpenAsync("u1", "p1", "late"));
    }

    /// <summary>CVE-2025-2291: PostgreSQL refuses such a login, and PgBouncer does not ask it when it has a connection of that user.</summary>
    [Fact]
    public async Task Nobody_comes_in_when_the_users_time_is_over()
    {
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1' VALID UNTIL 'infinity'");
        await using var before = await OpenAsync("u1", "p1", "before");
        await DoAsync("ALTER ROLE u1 VALID UNTIL '2000-01-01'");

        await Should.ThrowAsync<NpgsqlException>(() => OpenAsync("u1", "p1", "late"));
        await RunAsync(before, "SELECT 1", Cancellation);
    }

    [Fact]
    public async Task A_user_of_its_list_gets_through_to_the_server_and_so_does_one_whose_password_changed()
    {
        await using var listing = await LocalPgBouncer.StartAsync(postgres, new() { ReadsUsers = true }, Cancellation);
        var listed = Orders.By(listing.ConsoleConnectionString);
        var file = new UserListFile(listing.UserList, TimeProvider.System);
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
        await engine.ResizePoolAsync(listed, 12, 1, Cancellation);
        await ListAsync("p1");
        (await engine.SampleAsync(listed, Cancellation)).Pool!.Allowed.ShouldBe(12, "it keeps to what it was told when it reads its file anew");
        await using var before = await OpenAsync("u1", "p1", "before", listing.Port);

        // As of a static role. The file is as long as it was, and may be replaced within the same second.
        await DoAsync("ALTER ROLE u1 PASSWORD 'p2'");
        await ListAsync("p2");
        await using var after = await OpenAsync("u1", "p2", "after", listing.Port);
        await listing.ConsoleAsync("RECONNECT app", Cancellation);
        for (var i = 0; i < 5; i++)
        {
            await RunAsync(before, "SELECT 1", Cancellation);
            await RunAsync(after, "SELECT 1", Cancellation);
        }

        await Should.ThrowAsync<NpgsqlException>(() => OpenAsync("u1", "p1", "late", listing.Port));
        await file.ChangeAsync(_ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()), Cancellation);
        (await engine.ReloadPoolerAsync(listed, Cancellation)).ShouldBeTrue();
        (await engine.ResizePoolAsync(listed, 12, 1, Cancellation)).ShouldBeFalse("it has that still");
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    await using var late = await OpenAsync("u1", "p2", "late", listing.Port);
                    return false;
                }
                catch (NpgsqlException)
                {
                    return true;
                }
            },
            "who is taken out is let in no more", Cancellation);

        async Task ListAsync(string password)
        {
            var login = new Login("u1", new(password));
            var verifier = await engine.VerifierAsync(listed, login, Cancellation);
            verifier.ShouldBe(await TextAsync("SELECT rolpassword FROM pg_authid WHERE rolname = 'u1'"), "only an identical one lets PgBouncer in");
            await file.ChangeAsync(_ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string> { ["u1"] = verifier }), Cancellation);
            await engine.WaitForPoolerAsync(listed, login, Cancellation);
        }
    }

    [Fact]
    public async Task A_login_that_the_server_or_the_pooler_does_not_know_is_told_in_words()
    {
        await using var listing = await LocalPgBouncer.StartAsync(postgres, new() { ReadsUsers = true }, Cancellation);
        var listed = Orders.By(listing.ConsoleConnectionString);
        await DoAsync("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
        var clock = new FakeTimeProvider();
        await using var patient = new PostgreSqlEngine(clock);
        var waiting = patient.WaitForPoolerAsync(listed, new("u1", new("p1")), Cancellation);
        await Eventually.StepsAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(waiting.IsCompleted);
            },
            "it gives up", Cancellation);
        var failure = await Should.ThrowAsync<DatabaseException>(() => waiting);
        failure.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        failure.Message.ShouldContain("does not let in user 'u1', who is in its UserList");

        failure = await Should.ThrowAsync<DatabaseException>(() => engine.VerifierAsync(listed, new("u1", new("wrong")), Cancellation));
        failure.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        failure.Message.ShouldContain("refused the login of 'u1'");
        (await Should.ThrowAsync<DatabaseException>(() => engine.VerifierAsync(listed with { Port = 1 }, new("u1", new("p1")), Cancellation))).Failure.ShouldBe(DatabaseFailure.Unavailable);
    }

    [Fact]
    public async Task Npgsql_itself_cannot_speak_to_the_console()
    {
        // Which is why PoolerConsole does: https://www.pgbouncer.org/usage.html#admin-console. When this fails, the driver can take its place.
        await using var source = NpgsqlDataSource.Create(pgBouncer.ConsoleConnectionString + ";Database=pgbouncer;Pooling=false;Server Compatibility Mode=NoTypeLoading;No Reset On Close=true;SSL Mode=Disable");
        await Should.ThrowAsync<NpgsqlException>(async () =>
        {
            await using var command = source.CreateCommand("SHOW CLIENTS");
            await command.ExecuteNonQueryAsync(Cancellation);
        });
    }

    private async Task<DatabaseFailure> FailureAsync(Database database) => (await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(database, Cancellation))).Failure;

    private async Task<(int Most, int Each)> SizesAsync()
    {
        var own = (await pgBouncer.ConsoleAsync("SHOW DATABASES", Cancellation)).Split('\n').Single(row => row.StartsWith("app|", StringComparison.Ordinal)).Split('|');
        return (int.Parse(own[9], null), int.Parse(own[5], null));
    }

    private async Task<int> ServerConnectionsAsync()
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand("SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'u1'", connection);
        return (int)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private async Task<string> TextAsync(string query)
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(query, connection);
        return (string)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private async Task<NpgsqlConnection> OpenAsync(string user, string password, string name, int? port = null)
    {
        var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={port ?? pgBouncer.Port};Database=app;Username={user};Password={password};Pooling=false;Application Name={name};Timeout=60");
        await connection.OpenAsync(Cancellation);
        await RunAsync(connection, "SELECT 1", Cancellation);
        return connection;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task DoAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await RunAsync(connection, sql, Cancellation);
    }
}
