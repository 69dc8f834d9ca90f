using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>Redis with TLS by a private authority, and with client certificates.</summary>
public sealed class RedisTlsTests : IDisposable
{
    private readonly RedisFiles files = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => files.Dispose();

    [Fact]
    public async Task TLS_by_a_private_authority_and_a_client_certificate_both_followed_when_they_change()
    {
        using var authority = Authority("private");
        using var other = Authority("another");
        var ca = files.Write("ca.pem", authority.ExportCertificatePem());
        var (server, serverKey) = Issue(authority, "server");
        var (certificate, key) = Issue(authority, "client");
        var tls = LoopbackPort.Take();
        await using var redis = await LocalRedis.StartAsync(new()
        {
            Options = ["--tls-port", $"{tls}", "--tls-cert-file", server, "--tls-key-file", serverKey, "--tls-ca-cert-file", ca, "--tls-auth-clients", "yes"],
        }, Cancellation);
        var settings = new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"127.0.0.1:{tls}"), CaFile = ca, CertificateFile = certificate, KeyFile = key };
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(settings));
        await RedisAsItIsRunTests.ShouldWorkAsync(ledger);

        foreach (var wrong in new[]
        {
            settings with { CertificateFile = null, KeyFile = null },
            settings with { CaFile = files.Write("other.pem", other.ExportCertificatePem()) },
            settings with { CaFile = null },
        })
        {
            await using var refused = new RedisLedgerStore(RedisConnection.Open(wrong));
            await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(refused).Budgets.BudgetAsync("orders", [], Cancellation));
        }

        // A broker that comes with what nobody trusts finds its way when the files are put right.
        var (strange, strangeKey) = Issue(other, "strange");
        await using var mended = new RedisLedgerStore(RedisConnection.Open(settings with { CertificateFile = strange, KeyFile = strangeKey }));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(mended).Budgets.BudgetAsync("orders", [], Cancellation));
        File.Copy(certificate, strange, overwrite: true);
        File.Copy(key, strangeKey, overwrite: true);
        await RedisAsItIsRunTests.ShouldWorkAsync(mended);
    }

    // cert-manager writes PKCS#1 unless told otherwise, and the authorities in between into tls.crt.
    [Theory]
    [InlineData("EC PRIVATE KEY")]
    [InlineData("RSA PRIVATE KEY")]
    [InlineData("PRIVATE KEY")]
    public async Task A_client_certificate_of_an_authority_in_between_is_shown_with_it_whatever_its_keys_form(string form)
    {
        using var root = Authority("root");
        using var between = Authority("between", root);
        var ca = files.Write("ca.pem", root.ExportCertificatePem());
        var (server, serverKey) = Issue(root, "server");
        using AsymmetricAlgorithm key = form.StartsWith("RSA", StringComparison.Ordinal) ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (certificate, keyFile) = Issue(between, "client", key);
        await File.AppendAllTextAsync(certificate, "\n" + between.ExportCertificatePem(), Cancellation);
        files.Write("client.key", key switch { _ when form == "PRIVATE KEY" => key.ExportPkcs8PrivateKeyPem(), RSA rsa => rsa.ExportRSAPrivateKeyPem(), ECDsa ec => ec.ExportECPrivateKeyPem(), _ => "" });
        (await File.ReadAllTextAsync(keyFile, Cancellation)).ShouldContain($"BEGIN {form}-");
        var tls = LoopbackPort.Take();
        await using var redis = await LocalRedis.StartAsync(new()
        {
            Options = ["--tls-port", $"{tls}", "--tls-cert-file", server, "--tls-key-file", serverKey, "--tls-ca-cert-file", ca, "--tls-auth-clients", "yes"],
        }, Cancellation);
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"127.0.0.1:{tls}"), CaFile = ca, CertificateFile = certificate, KeyFile = keyFile }));
        await RedisAsItIsRunTests.ShouldWorkAsync(ledger);
    }

    // The one name that a machine is sure to know is localhost; by its address nobody here has a certificate.
    [Fact]
    public async Task A_Cluster_whose_certificates_have_names_alone_is_reached_by_the_names_that_it_announces_or_by_one_name_for_all()
    {
        using var authority = Authority("private");
        var ca = files.Write("ca.pem", authority.ExportCertificatePem());
        var (certificate, key) = Issue(authority, "member", "localhost");
        var ports = new List<int>();
        await using var cluster = await LocalRedisCluster.StartAsync(
            withReplicas: false,
            () =>
            {
                ports.Add(LoopbackPort.Take());
                return ["--tls-port", $"{ports[^1]}", "--tls-cluster", "yes", "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "yes"];
            },
            Cancellation);
        LedgerSettings At(string servers) => new() { Kind = LedgerKind.Redis, ConnectionString = new(servers), CaFile = ca, CertificateFile = certificate, KeyFile = key };

        // It announces addresses. One name in the string is the name of all members; where there are two (which these are to the client), each is known by its own.
        var twoNames = $"localhost:{ports[0]},LOCALHOST:{ports[1]}";
        await UseAllMastersAsync($"localhost:{ports[0]}");
        await UseAllMastersAsync($"{twoNames},sslHost=localhost");
        await Should.ThrowAsync<LedgerException>(() => UseAllMastersAsync(twoNames));

        foreach (var port in cluster.Ports)
        {
            await cluster.ExecuteAsync(port, "CONFIG", "SET", "cluster-announce-hostname", "localhost");
            await cluster.ExecuteAsync(port, "CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname");
        }

        foreach (var port in cluster.Ports)
            await Eventually.HoldsAsync(async () => (await cluster.ExecuteAsync(port, "CLUSTER", "NODES")).Split(",localhost").Length == 4, "each member to know the names of all", Cancellation);
        await UseAllMastersAsync(twoNames);

        (await Task.WhenAll(cluster.Ports.Select(port => cluster.ExecuteAsync(port, "DBSIZE")))).ShouldNotContain("0", "all masters were used");

        async Task UseAllMastersAsync(string servers)
        {
            await using var store = new RedisLedgerStore(RedisConnection.Open(At(servers)));
            foreach (var database in new[] { "orders", "stock", "users", "bills", "carts" })
                await new SharedLedger(store).Budgets.SampleAsync(database, 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);
        }
    }

    private static X509Certificate2 Authority(string name, X509Certificate2? above = null)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256); // its certificate's from now on
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        if (above is null) return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        using var signed = request.Create(above, now.AddHours(-2), now.AddDays(1), RandomNumberGenerator.GetBytes(8));
        return signed.CopyWithPrivateKey(key);
    }

    private (string Certificate, string Key) Issue(X509Certificate2 authority, string name, string? host = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Issue(authority, name, key, host);
    }

    private (string Certificate, string Key) Issue(X509Certificate2 authority, string name, AsymmetricAlgorithm key, string? host = null)
    {
        var request = key is RSA rsa
            ? new CertificateRequest($"CN={name}", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest($"CN={name}", (ECDsa)key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (host is null) names.AddIpAddress(IPAddress.Loopback);
        else names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.Create(authority.SubjectName, X509SignatureGenerator.CreateForECDsa(authority.GetECDsaPrivateKey()!), now.AddHours(-1), now.AddHours(20), RandomNumberGenerator.GetBytes(8));
        return (files.Write(name + ".crt", certificate.ExportCertificatePem()), files.Write(name + ".key", key.ExportPkcs8PrivateKeyPem()));
    }
}
