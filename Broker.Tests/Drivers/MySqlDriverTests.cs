using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Broker.Core.Operators;
using Shouldly;
using Xunit;
using static Broker.Tests.Drivers.MySqlDrivers;

namespace Broker.Tests.Drivers;

/// <summary>Real drivers connect to a real MariaDB with the strings that are made for them.</summary>
public sealed class MySqlDriverTests(MySqlTlsServer server) : IClassFixture<MySqlTlsServer>
{
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
        strings.Uri.ShouldBe(strings.Of("mysql2"), "MySQL's shell refuses what it does not know, and Node's mysql2 warns of it: each has its own");
        strings.Of("mysql2").ShouldBe($"mysql://u:p@orders-db:3306/app?ssl=%7B%22rejectUnauthorized%22%3Atrue%7D&connectionLimit=5&connectAttributes=%7B%22program_name%22%3A%22{Holder}%22%7D");
        strings.Of("mysqlsh").ShouldBe($"mysql://u:p@orders-db:3306/app?ssl-mode=VERIFY_CA&ssl-ca=%2Fetc%2Fssl%2Fca.pem&get-server-public-key=true&connection-attributes=[program_name={Holder.Replace("/", "%2F", StringComparison.Ordinal)}]");
        strings.Of("connector/j").ShouldBe($"jdbc:mysql://orders-db:3306/app?user=u&password=p&sslMode=VERIFY_CA&allowPublicKeyRetrieval=true&connectionAttributes=program_name%3A{Holder}");
        strings.Of("mariadb/j").ShouldBe($"jdbc:mariadb://orders-db:3306/app?user=u&password=p&useSsl=true&disableSslHostnameVerification=true&sslMode=verify-ca&serverSslCert=/etc/ssl/ca.pem&allowPublicKeyRetrieval=true&connectionAttributes=program_name:{Holder}");
        strings.Of("go-sql-driver").ShouldBe($"u:p@tcp(orders-db:3306)/app?tls=true&connectionAttributes=program_name%3A{Holder.Replace("/", "%2F", StringComparison.Ordinal)}");
        strings.Drivers.Where(driver => driver.Driver != "mysqlconnector").ShouldAllBe(driver => driver.Note!.Contains("redirection") || driver.Driver == "connector/j");
    }

    [Fact]
    public void MySQL_s_shell_gets_none_but_its_own_options()
    {
        var files = new PodSettings { CaFile = "/ca.pem", CertificateFile = "/client.pem", KeyFile = "/client.key" };
        Describe(PlainDatabase with { AdminConnectionString = new("SslMode=VerifyFull;TlsVersion=TLS 1.2, TLS 1.3"), Pods = files }, new("u", new("p"))).Of("mysqlsh").ShouldNotBeNull()
            .ShouldStartWith("mysql://u:p@orders-db:3306/app?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fca.pem&ssl-cert=%2Fclient.pem&ssl-key=%2Fclient.key&tls-versions=[TLSv1.2,TLSv1.3]&connection-attributes=[");
        Describe(PlainDatabase with { Host = "/run/my.sock" }, new("u", new("p"))).Of("mysqlsh").ShouldNotBeNull().ShouldStartWith("mysql://u:p@%2Frun%2Fmy.sock/app");
        Describe(PlainDatabase, new("u", new("p"))).Of("mysqlsh").ShouldNotBeNull().ShouldNotContain("connectionLimit");
    }
}
