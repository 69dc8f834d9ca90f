using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Broker.Core.Operators;
using LoadTests.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Drivers;

/// <summary>Real drivers connect to a real MariaDB with the strings that are made for them.</summary>
public sealed class MySqlDriverTests(MySqlDriverTests.Server server) : IClassFixture<MySqlDriverTests.Server>
{
    private const string Holder = "orders/orders-api-6f7c9d-x2x9q~sfSfGIpv";
    private const string HardPassword = "p@ss:w/ord?#[]!&=+%41 ;,'\"\\ {} $1";

    // As hard as MariaDB's Java driver takes one.
    private const string Password = "p@ss:w/ord?[]!= ,'\"\\ {} $1";

    private static readonly string[] All = ["mysqlconnector", "sqlalchemy+pymysql", "go-sql-driver<1.8", "mariadb/j", "mysql2", "mariadb", "uri"];
    private static readonly string[] WithoutName = ["go-sql-driver<1.8"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("app")]
    [InlineData("my db %41&a=b'\"\\ ä+;,@:")]
    [InlineData("what?#/x", "go-sql-driver<1.8")]
    public async Task Passwords_and_names_of_any_characters_are_read_by_every_driver(string name, params string[] cannot)
    {
        var (database, login) = await server.CreateAsync(name, HardPassword);
        await ConnectAsync(database, login, encrypted: null, [.. cannot, "mariadb/j"]);

        var (_, other) = await server.CreateAsync(name, Password);
        await ConnectAsync(database, other, encrypted: null, name == "app" ? [] : [.. cannot, "mariadb/j"]);

        var (_, foreign) = await server.CreateAsync(name, "pässwörd密🔑");
        await ConnectAsync(database, foreign, encrypted: null, name == "app" ? ["sqlalchemy+pymysql"] : [.. cannot, "mariadb/j", "sqlalchemy+pymysql"]);
    }

    [Theory]
    [InlineData("None", null, false)]
    [InlineData("Required", null, true)]
    [InlineData("VerifyCA", null, true)]
    [InlineData("VerifyFull", null, true)]
    [InlineData("Preferred", PodSslMode.Require, true)]
    [InlineData("VerifyFull", PodSslMode.Disable, false)]
    [InlineData("Required", PodSslMode.VerifyFull, true)]
    public async Task The_administrators_encryption_is_the_pods_unless_they_have_their_own(string administrator, PodSslMode? pods, bool encrypted)
    {
        var (plain, login) = await server.CreateAsync("tls", Password);
        var database = plain with
        {
            AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SslMode={administrator};SslCa={(administrator.StartsWith("Verify", StringComparison.Ordinal) ? server.Certificates.AuthorityFile : "")}"),
            Pods = new() { SslMode = pods, CaFile = server.Certificates.AuthorityFile },
        };
        await using var engine = new MySqlEngine(TimeProvider.System);
        var verifies = encrypted && (pods == PodSslMode.VerifyFull || administrator.StartsWith("Verify", StringComparison.Ordinal));

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        // Whom a string cannot tell the authority of a private certificate refuses it: never does it connect unverified.
        string[] strict = verifies ? ["go-sql-driver<1.8", "mysql2", "uri", "mariadb"] : encrypted ? ["mariadb"] : [];
        var (strings, seen, refused) = await ConnectAsync(database, login, encrypted, strict);
        foreach (var driver in refused)
        {
            driver.Error.ShouldNotBeNull(driver.Driver);
            strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver);
        }

        seen.Count.ShouldBe(All.Length - strict.Length);
    }

    [Fact]
    public async Task No_driver_sends_a_password_in_the_clear_where_TLS_is_demanded_and_the_server_has_none_unless_its_note_says_so()
    {
        await using var bare = await LocalMariaDb.StartAsync(new() { MaxConnections = 20, Settings = new Dictionary<string, string> { ["performance_schema"] = "ON" } }, Cancellation);
        var (database, login) = await Server.CreateAsync(bare, "app", "plain-password");
        var strings = Describe(database with { Pods = new() { SslMode = PodSslMode.Require } }, login);

        foreach (var driver in await DriverPrograms.ConnectAsync(strings))
        {
            if (driver.Error is not null) continue;
            driver.Encrypted.ShouldBeFalse();
            strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver).ShouldContain("goes on in the clear");
        }

        // Without TLS, all work.
        await ConnectAsync(database, login, encrypted: false);
    }

    [Fact]
    public async Task A_Unix_socket_is_given_to_those_that_can_use_one()
    {
        var (plain, login) = await server.CreateAsync("socket", Password);
        var database = plain with { Host = server.Socket };
        await using var engine = new MySqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted: null, "mariadb/j");
        await engine.SampleAsync(database, Cancellation);
    }

    [Fact]
    public async Task Of_several_hosts_one_that_answers_is_found_by_those_that_know_several()
    {
        var (plain, login) = await server.CreateAsync("several", Password);
        // Nothing listens at the first.
        var database = plain with
        {
            Host = "127.0.0.9",
            AdminConnectionString = new($"Server=127.0.0.9,127.0.0.1;Port={plain.Port};Load Balance=FailOver;{plain.AdminConnectionString.Reveal()}"),
        };
        await using var engine = new MySqlEngine(TimeProvider.System);

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(100);
        await engine.TryLoginAsync(database, login, Cancellation);
        await ConnectAsync(database, login, encrypted: null, "sqlalchemy+pymysql", "go-sql-driver<1.8", "mysql2", "mariadb", "uri");
    }

    [Fact]
    public async Task A_client_certificate_of_the_administrator_is_used_for_the_trial_and_the_pods_have_their_own()
    {
        var (plain, login) = await server.CreateAsync("certified", Password, "REQUIRE X509");
        var (ours, key) = server.Certificates.Write("client");
        var database = plain with
        {
            AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SslMode=VerifyFull;SslCa={server.Certificates.AuthorityFile};SslCert={ours};SslKey={key}"),
        };
        await using var engine = new MySqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        engine.Describe(database, login, 5).Drivers.Where(driver => driver.Text is not null).ShouldAllBe(driver => driver.Note!.Contains("client certificate"));
        var strings = Describe(database with { Pods = new() { CaFile = server.Certificates.AuthorityFile, CertificateFile = ours, KeyFile = key } }, login);
        foreach (var driver in await DriverPrograms.ConnectAsync(strings))
        {
            if (driver.Driver is "mysqlconnector" or "sqlalchemy+pymysql") (driver.Error, driver.Encrypted).ShouldBe((null, true), driver.Driver);
            else strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver).ShouldContain("client certificate");
        }
    }

    [Theory]
    [InlineData("TLS 1.2", "TLSv1.2", "TLSv1.2")]
    [InlineData("TLS 1.3, TLS 1.2", "TLSv1.2", "TLSv1.3")]
    public async Task Versions_of_TLS_are_told_to_those_that_can_be_told_and_said_beside_the_others(string administrator, string least, string most)
    {
        var (plain, login) = await server.CreateAsync("versions", Password);
        var database = plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SslMode=Required;TlsVersion={administrator}") };
        await using var engine = new MySqlEngine(TimeProvider.System);

        await engine.TryLoginAsync(database, login, Cancellation);
        var (strings, _, _) = await ConnectAsync(database, login, encrypted: true, "mariadb");
        new MySqlConnectionStringBuilder(strings.AdoNet).TlsVersion.ShouldBe(new MySqlConnectionStringBuilder(database.AdminConnectionString.Reveal()).TlsVersion);
        Uri.UnescapeDataString(strings.Of("mysql2")!).ShouldContain($"\"minVersion\":\"{least}\",\"maxVersion\":\"{most}\"");
        Uri.UnescapeDataString(strings.Of("connector/j")!).ShouldContain("tlsVersions=" + (least == most ? least : $"{least},{most}"));
        strings.Of("mariadb/j")!.ShouldContain("enabledSslProtocolSuites=" + (least == most ? least : $"{least},{most}"));
        foreach (var driver in new[] { "go-sql-driver", "go-sql-driver<1.8", "sqlalchemy+pymysql", "mariadb", "prisma" })
            strings.Drivers.Single(one => one.Driver == driver).Note!.ShouldContain(most);
    }

    [Fact]
    public async Task A_server_that_is_asked_for_a_version_of_TLS_it_has_not_is_not_spoken_to()
    {
        await using var old = await LocalMariaDb.StartAsync(
            new()
            {
                MaxConnections = 20,
                Settings = new Dictionary<string, string>
                {
                    ["performance_schema"] = "ON",
                    ["tls_version"] = "TLSv1.2",
                    ["ssl_cert"] = server.Certificates.Write("old", "mysql").Certificate,
                    ["ssl_key"] = server.Certificates.Write("old", "mysql").Key,
                },
            },
            Cancellation);
        var (plain, login) = await Server.CreateAsync(old, "app", Password);
        var strings = Describe(plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SslMode=Required;TlsVersion=TLS 1.3") }, login);

        foreach (var driver in await DriverPrograms.ConnectAsync(strings))
        {
            if (driver.Driver is "mysqlconnector" or "mysql2" or "uri" or "mariadb/j" or "mariadb") driver.Error.ShouldNotBeNull(driver.Driver);
            else strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver).ShouldContain("TLSv1.3");
        }
    }

    [Fact]
    public void What_the_broker_has_and_pods_have_not_is_said_beside_every_string()
    {
        var believing = Describe(PlainDatabase with { AdminConnectionString = new("User ID=admin;SslMode=VerifyFull;SslCa=/broker/ca.pem") }, new("u", new("p")));
        believing.Drivers.Where(driver => driver.Text is not null).ShouldAllBe(driver => driver.Note!.Contains("Pods:CaFile") && !driver.Text!.Contains("/broker"));

        var keyed = Describe(PlainDatabase with { AdminConnectionString = new("User ID=admin;SslMode=None;ServerRsaPublicKeyFile=/broker/key.pem") }, new("u", new("p")));
        keyed.Drivers.ShouldAllBe(driver => driver.Note!.Contains("RSA key") && !driver.Text!.Contains("/broker"));
        keyed.AdoNet.ShouldNotContain("Public Key");

        var stored = Describe(PlainDatabase with { AdminConnectionString = new("User ID=admin;SslMode=Required;CertificateStoreLocation=CurrentUser") }, new("u", new("p")));
        stored.Drivers.ShouldAllBe(driver => driver.Note!.Contains("client certificate"));

        var ciphered = Describe(PlainDatabase with { AdminConnectionString = new("User ID=admin;SslMode=Required;TlsCipherSuites=TLS_AES_256_GCM_SHA384") }, new("u", new("p")));
        ciphered.AdoNet.ShouldContain("TLS_AES_256_GCM_SHA384");
        ciphered.Drivers.Where(driver => driver.Driver != "mysqlconnector").ShouldAllBe(driver => driver.Note!.Contains("TLS_AES_256_GCM_SHA384"));
    }

    [Theory]
    [InlineData("Server=[::1;User ID=admin")]
    [InlineData("Server=,;User ID=admin")]
    [InlineData("Port=-1;User ID=admin")]
    [InlineData("SslMode=Perhaps")]
    [InlineData("mysql://admin:hush@db/app")]
    public async Task A_string_that_means_nothing_is_named_wherever_it_is_read(string administrator)
    {
        var database = PlainDatabase with { AdminConnectionString = new(administrator + ";Password=hush") };
        await using var engine = new MySqlEngine(TimeProvider.System);
        Login login = new("u", new("p"));

        foreach (var call in new Func<Task>[] { () => engine.TryLoginAsync(database, login, Cancellation), () => engine.SampleAsync(database, Cancellation), () => Task.FromResult(engine.Describe(database, login, 1)) })
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(call);
            refusal.Message.ShouldSatisfyAllConditions(text => text.ShouldContain("AdminConnectionString"), text => text.ShouldNotContain("hush"));
        }
    }

    [Fact]
    public void Each_driver_has_its_own_words()
    {
        var database = PlainDatabase with { AdminConnectionString = new("SslMode=VerifyCA;SslCa=/broker/ca.pem;AllowPublicKeyRetrieval=true;ServerRedirectionMode=Required"), Pods = new() { CaFile = "/etc/ssl/ca.pem" } };

        var strings = Describe(database, new("u", new("p")));

        strings.Of("mysqlconnector").ShouldBe(
            "Server=orders-db;Port=3306;User ID=u;Password=p;Database=app;SSL Mode=VerifyCA;SSL CA=/etc/ssl/ca.pem;Maximum Pool Size=5;Allow Public Key Retrieval=True;Application Name=" + Holder + ";Server Redirection Mode=Required");
        strings.Of("connector/j").ShouldBe($"jdbc:mysql://orders-db:3306/app?user=u&password=p&sslMode=VERIFY_CA&allowPublicKeyRetrieval=true&connectionAttributes=program_name%3A{Holder}");
        strings.Of("mariadb/j").ShouldBe($"jdbc:mariadb://orders-db:3306/app?user=u&password=p&useSsl=true&disableSslHostnameVerification=true&sslMode=verify-ca&serverSslCert=/etc/ssl/ca.pem&allowPublicKeyRetrieval=true&connectionAttributes=program_name:{Holder}");
        strings.Of("go-sql-driver").ShouldBe($"u:p@tcp(orders-db:3306)/app?tls=true&connectionAttributes=program_name%3A{Holder.Replace("/", "%2F", StringComparison.Ordinal)}");
        strings.Drivers.Where(driver => driver.Driver != "mysqlconnector").ShouldAllBe(driver => driver.Note!.Contains("redirection") || driver.Driver == "connector/j");
    }

    private static Database PlainDatabase => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MySql,
        Host = "orders-db",
        Port = 3306,
        DatabaseName = "app",
        AdminConnectionString = new("User ID=admin"),
        Budget = new(),
        Issuing = new(),
    };

    private static ConnectionStrings Describe(Database database, Login login) => MySqlConnectionStrings.Of(database, login, 5, Holder);

    private static async Task<(ConnectionStrings Strings, IReadOnlyList<Seen> Seen, IReadOnlyList<Seen> Refused)> ConnectAsync(Database database, Login login, bool? encrypted, params string[] cannot)
    {
        var strings = Describe(database, login);
        var all = await DriverPrograms.ConnectAsync(strings);
        var seen = all.Where(driver => !cannot.Contains(driver.Driver)).ToList();

        foreach (var driver in strings.Drivers.Where(driver => driver.Text is null)) driver.Note.ShouldNotBeNull(driver.Driver);
        seen.Select(driver => driver.Driver).Order().ShouldBe(All.Except(cannot).Order());
        foreach (var driver in seen)
        {
            (driver.Error, driver.User, driver.Database).ShouldBe((null, login.Username, database.DatabaseName), driver.Driver);
            if (!WithoutName.Contains(driver.Driver)) driver.Name.ShouldBe(Holder, driver.Driver);
            if (encrypted is not null) driver.Encrypted.ShouldBe(encrypted.Value, driver.Driver);
            if (driver.Driver is "mysqlconnector" or "mysql2" or "mariadb" or "uri") driver.Pool.ShouldBe(5, driver.Driver);
        }

        return (strings, seen, [.. all.Except(seen)]);
    }

    /// <summary>A server with a certificate, that takes connections with TLS and without.</summary>
    public sealed class Server : IAsyncLifetime
    {
        private LocalMariaDb? mariadb;
        private static int logins;

        public Certificates Certificates { get; } = new();

        public string Socket { get; private set; } = "";

        public async ValueTask InitializeAsync()
        {
            var (certificate, key) = Certificates.Write("server", "mysql");
            mariadb = await LocalMariaDb.StartAsync(
                new()
                {
                    MaxConnections = 100,
                    Settings = new Dictionary<string, string>
                    {
                        ["performance_schema"] = "ON",
                        ["ssl_cert"] = certificate,
                        ["ssl_key"] = key,
                        ["ssl_ca"] = Certificates.AuthorityFile,
                    },
                },
                Cancellation);
            await using var connection = await OpenAsync(mariadb);
            await using var command = new MySqlCommand("SELECT @@socket", connection);
            Socket = (string)(await command.ExecuteScalarAsync(Cancellation))!;
        }

        public Task<(Database Database, Login Login)> CreateAsync(string databaseName, string password, string more = "") => CreateAsync(mariadb!, databaseName, password, more);

        public static async Task<(Database Database, Login Login)> CreateAsync(LocalMariaDb mariadb, string databaseName, string password, string more = "")
        {
            var login = new Login($"user-{Interlocked.Increment(ref logins)}", new(password));
            await using var connection = await OpenAsync(mariadb);
            await using (var user = new MySqlCommand($"CREATE USER '{login.Username}'@'%' IDENTIFIED BY '{password.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}' {more}", connection))
                await user.ExecuteNonQueryAsync(Cancellation);
            var quoted = $"`{databaseName.Replace("`", "``", StringComparison.Ordinal)}`";
            await using (var create = new MySqlCommand($"CREATE DATABASE IF NOT EXISTS {quoted}; GRANT ALL ON *.* TO '{login.Username}'@'%'", connection))
                await create.ExecuteNonQueryAsync(Cancellation);
            return (
                PlainDatabase with
                {
                    Host = mariadb.Host,
                    Port = mariadb.Port,
                    DatabaseName = databaseName,
                    AdminConnectionString = new($"User ID={mariadb.AdminUsername};Password={mariadb.AdminPassword}"),
                },
                login);
        }

        public async ValueTask DisposeAsync()
        {
            if (mariadb is not null) await mariadb.DisposeAsync();
            Certificates.Dispose();
        }

        private static async Task<MySqlConnection> OpenAsync(LocalMariaDb mariadb)
        {
            var connection = new MySqlConnection(new MySqlConnectionStringBuilder
            {
                Server = mariadb.Host,
                Port = (uint)mariadb.Port,
                UserID = mariadb.AdminUsername,
                Password = mariadb.AdminPassword,
                Pooling = false,
                AllowUserVariables = true,
            }.ConnectionString);
            await connection.OpenAsync(Cancellation);
            return connection;
        }
    }
}
