using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>Servers that let nobody in without TLS, and a certificate of a private authority, as on Amazon RDS.</summary>
public sealed class EncryptionTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-tls-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task MariaDB_the_administrators_authority_is_believed_for_its_own_and_for_the_users_logins()
    {
        var (certificate, key) = Write("server");
        var (stranger, _) = Write("stranger");
        await GiveAsync(key, "mysql");
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 20, Settings = new Dictionary<string, string> { ["ssl_cert"] = certificate, ["ssl_key"] = key } }, Cancellation);
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = await bench.CreateLoginAsync("user", "REQUIRE SSL", Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);

        Database By(string tls) => bench.Database with { AdminConnectionString = new(bench.Database.AdminConnectionString.Reveal() + ";" + tls) };
        var trusting = By($"SslMode=VerifyFull;SslCa={certificate}");
        (await engine.SampleAsync(trusting, Cancellation)).Limit.ShouldBe(20);
        await engine.TryLoginAsync(trusting, user, Cancellation);
        (await FailureAsync(() => engine.TryLoginAsync(By("SslMode=None"), user, Cancellation))).ShouldBe(DatabaseFailure.LoginRefused);
        (await FailureAsync(() => engine.SampleAsync(By($"SslMode=VerifyFull;SslCa={stranger}"), Cancellation))).ShouldBeOneOf(DatabaseFailure.LoginRefused, DatabaseFailure.Unavailable);

        var strings = engine.Describe(trusting with { Pods = new() { CaFile = certificate } }, user, 5);
        await using var connection = new MySqlConnection(strings.AdoNet + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        strings.ShouldSatisfyAllConditions(
            () => strings.Uri.ShouldEndWith($"?ssl=%7B%22rejectUnauthorized%22%3Atrue%2C%22verifyIdentity%22%3Atrue%7D&connectionLimit=5"),
            () => strings.Jdbc.ShouldEndWith("&sslMode=VERIFY_IDENTITY"),
            () => strings.Go.ShouldEndWith("?tls=true"),
            () => strings.Python.ShouldEndWith($"?ssl_ca={certificate}&ssl_check_hostname=true"));
    }

    [Fact]
    public async Task PostgreSQL_the_administrators_authority_is_believed_for_its_own_and_for_the_users_logins()
    {
        var (certificate, key) = Write("server");
        var (stranger, _) = Write("stranger");
        await GiveAsync(key, "postgres");
        await using var server = await LocalPostgres.StartAsync(
            new() { MaxConnections = 20, Settings = new Dictionary<string, string> { ["ssl"] = "on", ["ssl_cert_file"] = certificate, ["ssl_key_file"] = key } }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(server, Cancellation);
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        Database By(string tls) => bench.Database with { AdminConnectionString = new(bench.Database.AdminConnectionString.Reveal() + ";" + tls) };
        var trusting = By($"SSL Mode=VerifyFull;Root Certificate={certificate}");
        (await engine.SampleAsync(trusting, Cancellation)).Limit.ShouldBe(20);
        await engine.TryLoginAsync(trusting, user, Cancellation);
        (await FailureAsync(() => engine.SampleAsync(By($"SSL Mode=VerifyFull;Root Certificate={stranger}"), Cancellation))).ShouldBe(DatabaseFailure.Unavailable);
        (await FailureAsync(() => engine.TryLoginAsync(By($"SSL Mode=VerifyFull;Root Certificate={stranger}"), user, Cancellation))).ShouldBe(DatabaseFailure.Unavailable);

        var strings = engine.Describe(trusting with { Pods = new() { CaFile = certificate } }, user, 5);
        await using var connection = new NpgsqlConnection(strings.AdoNet + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var encrypted = new NpgsqlCommand("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", connection);
        (await encrypted.ExecuteScalarAsync(Cancellation)).ShouldBe(true);
        foreach (var text in new[] { strings.Uri, strings.Jdbc, strings.Python })
            text.ShouldEndWith($"sslmode=verify-full&sslrootcert={certificate}");
        strings.Go.ShouldEndWith($"sslmode='verify-full' sslrootcert='{certificate}'");
    }

    private static async Task<DatabaseFailure> FailureAsync(Func<Task> call) => (await Should.ThrowAsync<DatabaseException>(call)).Failure;

    /// <summary>A certificate for 127.0.0.1 that is its own authority, readable for the servers' users.</summary>
    private (string Certificate, string Key) Write(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
        var (certificateFile, keyFile) = (Path.Combine(directory, name + ".pem"), Path.Combine(directory, name + ".key"));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (certificateFile, keyFile);
    }

    /// <summary>A key is its server's alone: PostgreSQL refuses one that others may read. Started by root, servers run as users of their own.</summary>
    private async Task GiveAsync(string keyFile, string user)
    {
        var owner = Environment.IsPrivilegedProcess ? $" && chown {user} {keyFile}" : "";
        using var shell = Process.Start("sh", ["-c", $"chmod 755 {directory} && chmod 644 {directory}/*.pem && chmod 600 {keyFile}{owner}"]);
        await shell.WaitForExitAsync(Cancellation);
        shell.ExitCode.ShouldBe(0);
    }
}
