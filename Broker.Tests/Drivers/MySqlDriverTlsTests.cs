using Broker.Core.Catalog;
using Broker.Core.Databases.MySql;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;
using static Broker.Tests.Drivers.MySqlDrivers;

namespace Broker.Tests.Drivers;

/// <summary>Real drivers connect to a real MariaDB by TLS as they are told to, and never in the clear unseen. Apart from the rest, so that both run side by side.</summary>
public sealed class MySqlDriverTlsTests(MySqlTlsServer server) : IClassFixture<MySqlTlsServer>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

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
        var (database, login) = await MySqlTlsServer.CreateAsync(bare, "app", "plain-password");
        var strings = Describe(database with { Pods = new() { SslMode = PodSslMode.Require } }, login);

        var connected = (await DriverPrograms.ConnectAsync(strings)).Where(static driver => driver.Error is null).ToArray();
        connected.Select(static driver => driver.Driver).ShouldBe(["sqlalchemy+pymysql"]);
        foreach (var driver in connected)
        {
            driver.Encrypted.ShouldBeFalse();
            strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver).ShouldContain("continues unencrypted");
        }

        // Without TLS, all work.
        await ConnectAsync(database, login, encrypted: false);
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
    public async Task No_driver_connects_to_a_server_without_the_configured_TLS_version()
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
        var (plain, login) = await MySqlTlsServer.CreateAsync(old, "app", Password);
        var strings = Describe(plain with { AdminConnectionString = new($"{plain.AdminConnectionString.Reveal()};SslMode=Required;TlsVersion=TLS 1.3") }, login);

        foreach (var driver in await DriverPrograms.ConnectAsync(strings))
        {
            if (driver.Driver is "mysqlconnector" or "mysql2" or "uri" or "mariadb/j" or "mariadb") driver.Error.ShouldNotBeNull(driver.Driver);
            else strings.Drivers.Single(one => one.Driver == driver.Driver).Note.ShouldNotBeNull(driver.Driver).ShouldContain("TLSv1.3");
        }
    }
}
