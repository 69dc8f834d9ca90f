using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Databases;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Drivers;

/// <summary>Real drivers connect to a real PostgreSQL with the strings that are made for them.</summary>
public sealed class PostgreSqlDriverTests(PostgreSqlDriverTests.Server server) : IClassFixture<PostgreSqlDriverTests.Server>
{
    private const string Holder = "orders/orders-api-6f7c9d-x2x9q~sfSfGIpv";
    private const string HardPassword = "p@ss:w/ord?#[]!&=+%41 ;,'\"\\ {} $1 ä密";

    private static readonly string[] All = ["npgsql", "npgsql 8", "npgsql 9", "psycopg2", "psycopg", "asyncpg", "sqlalchemy+psycopg2", "lib/pq", "pgx", "pgxpool", "pgjdbc", "node-postgres"];
    private static readonly string[] WithoutSockets = ["pgjdbc"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("app")]
    [InlineData("my db %41&a=b'\"\\ ä+;,@:/x")]
    [InlineData("what?#", "node-postgres")]
    [InlineData("..", "node-postgres")]
    public async Task Passwords_and_names_of_any_characters_are_read_by_every_driver(string name, params string[] cannot)
    {
        var (database, login) = await server.CreateAsync(name, HardPassword);

        await ConnectAsync(database, login, encrypted: null, cannot);
    }

    [Theory]
    [InlineData("Disable", null, false)]
    [InlineData("Require", null, true)]
    [InlineData("VerifyCA", null, true)]
    [InlineData("VerifyFull", null, true)]
    [InlineData("Prefer", PodSslMode.Require, true)]
    [InlineData("VerifyFull", PodSslMode.Disable, false)]
    [InlineData("Require", PodSslMode.VerifyFull, true)]
    public async Task The_administrators_encryption_is_the_pods_unless_they_have_their_own(string administrator, PodSslMode? pods, bool encrypted)
    {
        var (plain, login) = await server.CreateAsync("tls", HardPassword);
        var database = plain with
        {
            AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SSL Mode={administrator};Root Certificate={(administrator.StartsWith("Verify", StringComparison.Ordinal) ? server.Certificates.AuthorityFile : "")}"),
            Pods = new() { SslMode = pods, CaFile = server.Certificates.AuthorityFile },
        };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted);
    }

    [Fact]
    public async Task TLS_is_preferred_where_nothing_is_configured_and_a_driver_that_cannot_says_so()
    {
        var (database, login) = await server.CreateAsync("prefer", HardPassword);

        var (strings, seen) = await ConnectAsync(database, login, encrypted: null);

        foreach (var driver in seen)
        {
            var goesWithout = driver.Driver is "lib/pq" or "node-postgres";
            driver.Encrypted.ShouldBe(!goesWithout, driver.Driver);
            if (goesWithout) strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull().ShouldContain("cannot prefer TLS");
        }
    }

    [Fact]
    public async Task No_driver_takes_a_certificate_of_a_stranger_where_it_is_to_verify()
    {
        using var stranger = new Certificates();
        var (plain, login) = await server.CreateAsync("stranger", HardPassword);
        foreach (var mode in new[] { PodSslMode.VerifyCA, PodSslMode.VerifyFull })
        {
            var strings = Describe(plain with { Pods = new() { SslMode = mode, CaFile = stranger.AuthorityFile } }, login);

            (await DriverPrograms.ConnectAsync(strings)).ShouldAllBe(driver => driver.Error != null);
        }
    }

    [Fact]
    public async Task A_server_that_demands_a_client_certificate_gets_the_brokers_and_the_pods()
    {
        var (plain, login) = await server.CreateAsync("certified", HardPassword);
        var (ours, key) = server.Certificates.Write("client");
        var database = plain with
        {
            AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SSL Mode=VerifyFull;Root Certificate={server.Certificates.AuthorityFile};SSL Certificate={ours};SSL Key={key}"),
        };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(
            plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SSL Mode=Require") }, login, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);

        // What pods lack is said, and what they have is used.
        engine.Describe(database, login, 5).Drivers.ShouldAllBe(driver => driver.Note!.Contains("client certificate"));
        var strings = Describe(database with { Pods = new() { CaFile = server.Certificates.AuthorityFile, CertificateFile = ours, KeyFile = key } }, login);
        var seen = await DriverPrograms.ConnectAsync(strings);
        foreach (var driver in seen)
        {
            if (driver.Driver == "pgjdbc") strings.Drivers.Single(one => one.Driver == "pgjdbc").Note!.ShouldContain("PKCS-8");
            else (driver.Error, driver.Encrypted).ShouldBe((null, true), driver.Driver);
        }
    }

    [Fact]
    public async Task A_Unix_socket_is_given_to_those_that_can_use_one()
    {
        var (plain, login) = await server.CreateAsync("socket", HardPassword);
        var database = plain with { Host = server.SocketFolder };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted: false, WithoutSockets);
        await engine.SampleAsync(
            database with { AdminConnectionString = new($"Host={server.SocketFolder};Port={database.Port};{database.AdminConnectionString.Reveal()}") }, Cancellation);
    }

    [Fact]
    public async Task A_Unix_socket_is_never_asked_for_TLS_whatever_the_administrators_own_connection_demands()
    {
        var (plain, login) = await server.CreateAsync("socket", HardPassword);
        var database = plain with
        {
            Host = server.SocketFolder,
            AdminConnectionString = new($"Host=127.0.0.1;Port={plain.Port};SSL Mode=VerifyFull;Root Certificate={server.Certificates.AuthorityFile};Channel Binding=Require;{plain.AdminConnectionString.Reveal()}"),
        };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted: false, WithoutSockets);
    }

    [Theory]
    [InlineData("Options=-c role=the_admins_own;Search Path=secret")]
    [InlineData("Require Auth=None,ScramSHA256;Load Balance Hosts=true")]
    [InlineData("Require Auth=ScramSHA256")]
    [InlineData("Require Auth=GSS,None", false)] // it would come in by none
    [InlineData("Kerberos Service Name=other;Include Realm=true;Client Encoding=UTF8;Timezone=Europe/Zurich;Keepalive=30;Timeout=0;Command Timeout=0;Minimum Pool Size=50;Maximum Pool Size=60;Multiplexing=true")]
    public async Task What_only_the_administrators_session_is_to_be_is_not_asked_of_the_user(string options, bool administratorComesIn = true)
    {
        var (plain, login) = await server.CreateAsync("own", HardPassword);
        await server.RunAsync("DO $$ BEGIN CREATE ROLE the_admins_own NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        var database = plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};{options}") };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        if (administratorComesIn) (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        // libpq knows require_auth from version 16 on: those that read its string say so.
        var strings = Describe(database, login);
        var old = strings.Uri!.Contains("require_auth", StringComparison.Ordinal);
        foreach (var driver in new[] { "libpq", "sqlalchemy+psycopg2" }.Where(_ => old)) strings.Drivers.Single(one => one.Driver == driver).Note!.ShouldContain("require_auth from version 16 on");
        await ConnectAsync(database, login, encrypted: null, old ? ["psycopg2", "psycopg", "sqlalchemy+psycopg2"] : []);
    }

    [Fact]
    public async Task Hosts_that_are_chosen_by_chance_are_reached_by_every_driver_that_knows_several()
    {
        var (plain, login) = await server.CreateAsync("chance", HardPassword);
        var database = plain with { AdminConnectionString = new($"Host=127.0.0.1,LOCALHOST;Port={plain.Port};Load Balance Hosts=true;{plain.AdminConnectionString.Reveal()}"), Host = "localhost" };

        var (strings, _) = await ConnectAsync(database, login, encrypted: null, "lib/pq", "node-postgres");

        strings.Servers.Count.ShouldBe(2, "names of hosts are read in any case");
        strings.Of("npgsql")!.ShouldContain("Load Balance Hosts=True");
        strings.Of("pgjdbc")!.ShouldContain("loadBalanceHosts=true");
        strings.Drivers.Single(one => one.Driver == "libpq").Note!.ShouldContain("load_balance_hosts");
    }

    [Theory]
    [InlineData("primary")]
    [InlineData("read-write")]
    [InlineData("prefer-standby")]
    public async Task Of_several_hosts_the_wanted_one_is_found(string session)
    {
        var (plain, login) = await server.CreateAsync("several", HardPassword);
        // Nothing listens at the first.
        var database = plain with
        {
            AdminConnectionString = new($"Host=127.0.0.1:1,127.0.0.1:{plain.Port};Target Session Attributes={session};{plain.AdminConnectionString.Reveal()}"),
        };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        var (strings, seen) = await ConnectAsync(database, login, encrypted: null, "lib/pq", "node-postgres", "asyncpg", session == "prefer-standby" ? "pgx" : "", session == "prefer-standby" ? "pgxpool" : "");
        strings.Servers.Select(host => host.ToString()).ShouldBe(["127.0.0.1:1", $"127.0.0.1:{plain.Port}"]);
        seen.ShouldContain(driver => driver.Driver == "pgjdbc" && driver.Error == null);
    }

    [Fact]
    public async Task One_host_has_nothing_to_choose_from()
    {
        var (plain, login) = await server.CreateAsync("one", HardPassword);
        var database = plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};Target Session Attributes=primary;Load Balance Hosts=true") };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted: null);
    }

    [Theory]
    [InlineData("GSS Encryption Mode=Disable", "GSS Encryption Mode", null)]
    [InlineData("Require Auth=ScramSHA256", "Require Auth", "whichever way")]
    [InlineData("GSS Encryption Mode=Disable;Require Auth=ScramSHA256", "GSS Encryption Mode and Require Auth", "whichever way")]
    public async Task A_keyword_that_older_versions_of_Npgsql_refuse_is_not_in_the_string_for_them(string options, string newer, string? note)
    {
        var (plain, login) = await server.CreateAsync("older", HardPassword);
        var strings = Describe(plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};{options}") }, login);

        DriverString Of(string driver) => strings.Drivers.Single(one => one.Driver == driver);
        foreach (var version in OlderNpgsql.All)
        {
            Should.Throw<ArgumentException>(() => version.Read(Of("npgsql").Text!), version.Name).Message.ShouldContain("Couldn't set " + newer.Split(" and ")[0]);
            await using var pool = version.Pool(Of("npgsql<10").Text!);
            await using var connection = await pool.OpenConnectionAsync(Cancellation);
        }

        Of("npgsql").Note!.ShouldContain($"before 10 do not know {newer} and refuse");
        if (note is null) Of("npgsql<10").Note.ShouldBeNull();
        else Of("npgsql<10").Note!.ShouldContain(note);
    }

    [Fact]
    public async Task A_pool_of_Npgsql_takes_the_wanted_one_of_several_hosts_from_version_10_on_and_the_note_for_others_says_so()
    {
        var (plain, login) = await server.CreateAsync("several", HardPassword);
        var strings = Describe(plain with { AdminConnectionString = new($"Host=127.0.0.1:1,127.0.0.1:{plain.Port};Target Session Attributes=primary;{plain.AdminConnectionString.Reveal()}") }, login);

        strings.Drivers.Single(one => one.Driver == "npgsql").Note.ShouldBeNull();
        await using (var ours = NpgsqlDataSource.Create(strings.AdoNet))
        await using (await ours.OpenConnectionAsync(Cancellation)) { }
        strings.Drivers.Single(one => one.Driver == "npgsql<10").Note!.ShouldContain("Before version 10, NpgsqlDataSource takes no Target Session Attributes from a string");
        foreach (var version in OlderNpgsql.All) Should.Throw<InvalidOperationException>(() => version.Pool(strings.Of("npgsql<10")!), version.Name);
    }

    [Fact]
    public void What_a_string_cannot_say_is_said_beside_it()
    {
        var database = PlainDatabase with { AdminConnectionString = new("SSL Mode=VerifyFull;GSS Encryption Mode=Require;Channel Binding=Require") };

        var strings = Describe(database, new("u", new("p")));

        foreach (var driver in new[] { "npgsql<10", "pgx", "pgxpool", "lib/pq", "asyncpg", "node-postgres", "prisma" })
            strings.Drivers.Single(one => one.Driver == driver).ShouldSatisfyAllConditions(one => one.Text.ShouldBeNull(), one => one.Note!.ShouldContain("GSS"));
        strings.Uri.ShouldBe("postgresql://u:p@orders-db:5432/app?sslmode=verify-full&gssencmode=require&channel_binding=require&application_name=" + Holder);
        strings.Of("npgsql").ShouldBe("Host=orders-db;Port=5432;Database=app;Username=u;Password=p;Maximum Pool Size=5;SSL Mode=VerifyFull;GSS Encryption Mode=Require;Channel Binding=Require;Application Name=" + Holder);
        strings.Drivers.Single(one => one.Driver == "libpq").Note!.ShouldContain("root.crt");
    }

    [Theory]
    [InlineData("endpoint=ep-cool-1", "endpoint=ep-cool-1")]
    [InlineData("project=p1", "project=p1")]
    [InlineData("reference=abc", "reference=abc")]
    [InlineData("--cluster=lazy-dog-12", "--cluster=lazy-dog-12")]
    [InlineData("-c role=dba endpoint=ep-cool-1 -csearch_path=a --statement_timeout=5s", "endpoint=ep-cool-1")]
    [InlineData("-c search_path=a\\ b,c", null)]
    [InlineData("-c  role=dba", null)]
    public void Options_that_say_which_server_is_meant_go_to_pods_and_settings_of_the_session_do_not(string options, string? pods)
    {
        var strings = Describe(PlainDatabase with { AdminConnectionString = new("Username=admin;Options=" + options) }, new("u", new("p")));

        new NpgsqlConnectionStringBuilder(strings.AdoNet).Options.ShouldBe(pods);
        (strings.Uri!.Contains("options=", StringComparison.Ordinal), strings.Jdbc!.Contains("options=", StringComparison.Ordinal)).ShouldBe((pods is not null, pods is not null));
        if (pods is not null) strings.Uri.ShouldContain("options=" + Uri.EscapeDataString(pods));
    }

    [Theory]
    [InlineData("ScramSHA256", "ScramSHA256", "scram-sha-256")]
    [InlineData("ScramSHA256, MD5, GSS", "ScramSHA256,MD5", "scram-sha-256,md5")]
    [InlineData("!Password,!None", "!Password", "!password")]
    [InlineData("GSS,None", null, null)]
    public void The_ways_of_proving_a_password_go_to_pods_and_those_of_the_administrator_alone_do_not(string administrator, string? npgsql, string? libpq)
    {
        var strings = Describe(PlainDatabase with { AdminConnectionString = new("Username=admin;Require Auth=" + administrator) }, new("u", new("p")));

        new NpgsqlConnectionStringBuilder(strings.AdoNet).RequireAuth.ShouldBe(npgsql);
        if (libpq is null) strings.Uri!.ShouldNotContain("require_auth");
        else strings.Uri!.ShouldContain("require_auth=" + Uri.EscapeDataString(libpq));
        foreach (var driver in new[] { "npgsql<10", "pgjdbc", "pgx", "lib/pq", "asyncpg", "node-postgres", "prisma" })
            (strings.Drivers.Single(one => one.Driver == driver).Note ?? "").Contains("whichever way", StringComparison.Ordinal).ShouldBe(npgsql is not null, driver);
    }

    [Fact]
    public void What_the_broker_believes_and_pods_are_not_told_is_said_beside_every_string()
    {
        var database = PlainDatabase with { AdminConnectionString = new("Username=admin;SSL Mode=VerifyFull;Root Certificate=/broker/ca.pem;Check Certificate Revocation=true") };

        var strings = Describe(database, new("u", new("p")));

        strings.Drivers.ShouldAllBe(driver => driver.Note!.Contains("Pods:CaFile"));
        strings.AdoNet.ShouldContain("Check Certificate Revocation=True");
        strings.Drivers.Where(driver => driver.Driver is not ("npgsql" or "npgsql<10")).ShouldAllBe(driver => driver.Note!.Contains("revoked"));
        strings.Drivers.ShouldAllBe(driver => !driver.Text!.Contains("/broker/ca.pem"));
    }

    [Fact]
    public void Which_of_the_administrators_hosts_is_wanted_is_said_where_pods_connect_to_others()
    {
        var strings = Describe(PlainDatabase with { Host = "out1,out2", AdminConnectionString = new("Username=admin;Host=in1,in2;Target Session Attributes=primary") }, new("u", new("p")));

        strings.AdoNet.ShouldNotContain("Target");
        strings.Drivers.Where(driver => driver.Text is not null).ShouldAllBe(driver => driver.Note!.Contains("asks for a primary host"));
    }

    [Fact]
    public async Task The_administrator_may_have_a_port_of_its_own_on_the_pods_host()
    {
        var (plain, _) = await server.CreateAsync("port", HardPassword);
        var database = plain with { Port = 1, AdminConnectionString = new($"Port={plain.Port};{plain.AdminConnectionString.Reveal()}") };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        engine.Describe(database, new("u", new("p")), 1).Servers.ShouldBe([new(plain.Host, 1)]);
    }

    [Theory]
    [InlineData("Host=pg1:x;Username=admin")]
    [InlineData("Host=[::1;Username=admin")]
    [InlineData("Host=,;Username=admin")]
    [InlineData("Port=70000;Username=admin")]
    [InlineData("SSL Mode=Perhaps")]
    [InlineData("Target Session Attributes=leader")]
    [InlineData("postgresql://admin:hush@pg1/app")]
    public async Task A_string_that_means_nothing_is_named_wherever_it_is_read(string administrator)
    {
        var database = PlainDatabase with { AdminConnectionString = new(administrator + ";Password=hush") };
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        Login login = new("u", new("p"));

        foreach (var call in new Func<Task>[] { () => engine.TryLoginAsync(database, login, Cancellation), () => engine.SampleAsync(database, Cancellation), () => Task.FromResult(engine.Describe(database, login, 1)) })
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(call);
            refusal.Message.ShouldSatisfyAllConditions(text => text.ShouldContain("AdminConnectionString"), text => text.ShouldNotContain("hush"));
        }
    }

    [Theory]
    [InlineData("::1", "[::1]:5432")]
    [InlineData("[::1]", "[::1]:5432")]
    [InlineData("fe80::1,[::1]:5433", "[fe80::1]:5432,[::1]:5433")]
    public void Addresses_of_version_6_are_written_in_brackets(string host, string hosts)
    {
        var strings = Describe(PlainDatabase with { Host = host }, new("u", new("p")));

        strings.Uri!.ShouldStartWith($"postgresql://u:p@{hosts}/app");
        strings.Jdbc!.ShouldStartWith($"jdbc:postgresql://{hosts}/app");
        if (strings.Servers.Count == 1) strings.AdoNet.ShouldStartWith("Host=::1;Port=5432;");
    }

    [Fact]
    public void A_role_says_what_its_own_pods_see()
    {
        var role = new Role { Name = "r", Database = "d", Issuer = "i", Pods = new() { Host = "pooler", Port = 6432, DatabaseName = "pooled", SslMode = PodSslMode.Disable } };
        var database = PlainDatabase with { AdminConnectionString = new("SSL Mode=VerifyFull"), Pods = new() { CaFile = "/ca.pem" } };

        Describe(database.SeenBy(role), new("u", new("p"))).Uri.ShouldBe("postgresql://u:p@pooler:6432/pooled?sslmode=disable&application_name=" + Holder);
        Describe(database.SeenBy(role with { Pods = null }), new("u", new("p"))).Uri.ShouldBe("postgresql://u:p@orders-db:5432/app?sslmode=verify-full&sslrootcert=/ca.pem&application_name=" + Holder);
    }

    private static Database PlainDatabase => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.PostgreSql,
        Host = "orders-db",
        Port = 5432,
        DatabaseName = "app",
        AdminConnectionString = new("Username=admin"),
        Budget = new(),
        Issuing = new(),
    };

    private static ConnectionStrings Describe(Database database, Login login) => PostgreSqlConnectionStrings.Of(database, login, 5, Holder);

    private static async Task<(ConnectionStrings Strings, IReadOnlyList<Seen> Seen)> ConnectAsync(Database database, Login login, bool? encrypted, params string[] cannot)
    {
        var strings = Describe(database, login);
        var seen = (await DriverPrograms.ConnectAsync(strings)).Where(driver => !cannot.Contains(driver.Driver)).ToList();

        foreach (var driver in strings.Drivers.Where(driver => driver.Text is null)) driver.Note.ShouldNotBeNull(driver.Driver);
        seen.Select(driver => driver.Driver).Order().ShouldBe(All.Except(cannot).Order());
        foreach (var driver in seen)
        {
            (driver.Error, driver.User, driver.Database, driver.Name).ShouldBe((null, login.Username, database.DatabaseName, Holder), driver.Driver);
            if (encrypted is not null) driver.Encrypted.ShouldBe(encrypted.Value, driver.Driver);
            if (driver.Driver is "npgsql" or "npgsql 8" or "npgsql 9" or "pgxpool") driver.Pool.ShouldBe(5, driver.Driver);
        }

        return (strings, seen);
    }

    /// <summary>A server with a certificate, that takes connections with TLS and without; one database wants certificates of its clients.</summary>
    public sealed class Server : IAsyncLifetime
    {
        private LocalPostgres? postgres;
        private int logins;

        public Certificates Certificates { get; } = new();

        /// <summary>Where its Unix socket is.</summary>
        public string SocketFolder { get; } = Directory.CreateTempSubdirectory("broker-socket-").FullName;

        public async ValueTask InitializeAsync()
        {
            var (certificate, key) = Certificates.Write("server", "postgres");
            File.SetUnixFileMode(SocketFolder, (UnixFileMode)0x1FF);
            var rules = Path.Combine(SocketFolder, "hba");
            await File.WriteAllTextAsync(rules, "hostssl certified all all scram-sha-256 clientcert=verify-ca\nhost all all all scram-sha-256\nlocal all all scram-sha-256\n", Cancellation);
            postgres = await LocalPostgres.StartAsync(
                new()
                {
                    MaxConnections = 100,
                    Settings = new Dictionary<string, string>
                    {
                        ["ssl"] = "on",
                        ["ssl_cert_file"] = certificate,
                        ["ssl_key_file"] = key,
                        ["ssl_ca_file"] = Certificates.AuthorityFile,
                        ["hba_file"] = rules,
                        ["unix_socket_directories"] = SocketFolder,
                    },
                },
                Cancellation);
        }

        public async Task RunAsync(string statement)
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
            {
                Host = postgres!.Host,
                Port = postgres.Port,
                Username = postgres.AdminUsername,
                Password = postgres.AdminPassword,
                Database = postgres.Database,
                Pooling = false,
            }.ConnectionString);
            await connection.OpenAsync(Cancellation);
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        public async Task<(Database Database, Login Login)> CreateAsync(string databaseName, string password)
        {
            var login = new Login($"user-{Interlocked.Increment(ref logins)}", new(password));
            var settings = new NpgsqlConnectionStringBuilder
            {
                Host = postgres!.Host,
                Port = postgres.Port,
                Username = postgres.AdminUsername,
                Password = postgres.AdminPassword,
                Database = postgres.Database,
                Pooling = false,
            };
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(Cancellation);
            await using var user = new NpgsqlCommand($"CREATE ROLE \"{login.Username}\" LOGIN PASSWORD '{password.Replace("'", "''", StringComparison.Ordinal)}'", connection);
            await user.ExecuteNonQueryAsync(Cancellation);
            await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection) { Parameters = { new() { Value = databaseName } } };
            if (await exists.ExecuteScalarAsync(Cancellation) is null)
            {
                await using var database = new NpgsqlCommand($"CREATE DATABASE \"{databaseName.Replace("\"", "\"\"", StringComparison.Ordinal)}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", connection);
                await database.ExecuteNonQueryAsync(Cancellation);
            }

            return (
                PlainDatabase with
                {
                    Host = postgres.Host,
                    Port = postgres.Port,
                    DatabaseName = databaseName,
                    AdminConnectionString = new($"Username={postgres.AdminUsername};Password={postgres.AdminPassword};Database={postgres.Database}"),
                },
                login);
        }

        public async ValueTask DisposeAsync()
        {
            if (postgres is not null) await postgres.DisposeAsync();
            Certificates.Dispose();
            Directory.Delete(SocketFolder, recursive: true);
        }
    }
}
