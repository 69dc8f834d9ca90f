using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>A Vault with a certificate of the company's own authority.</summary>
public sealed class PrivateAuthorityTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("vault-ca").FullName;
    private readonly X509Certificate2 ours = Authority("ours");
    private readonly X509Certificate2 theirs = Authority("theirs");

    public void Dispose()
    {
        ours.Dispose();
        theirs.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Its_authority_is_trusted()
    {
        await using var vault = await StartAsync(ours, IPAddress.Loopback);

        await IssueAsync(vault, Pem(ours));

        vault.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task An_authority_among_several_in_the_file_is_trusted()
    {
        await using var vault = await StartAsync(ours, IPAddress.Loopback);

        await IssueAsync(vault, Pem(theirs, ours));

        vault.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Another_authority_is_not_trusted_and_gets_no_secret()
    {
        await using var vault = await StartAsync(theirs, IPAddress.Loopback);

        await ShouldNotConnectAsync(vault, Pem(ours));
    }

    [Fact]
    public async Task Without_a_file_a_private_authority_is_not_trusted()
    {
        await using var vault = await StartAsync(ours, IPAddress.Loopback);

        await ShouldNotConnectAsync(vault, caFile: null);
    }

    [Fact]
    public async Task A_certificate_for_another_host_is_not_accepted()
    {
        await using var vault = await StartAsync(ours, IPAddress.Parse("192.0.2.1"));

        await ShouldNotConnectAsync(vault, Pem(ours));
    }

    [Fact]
    public async Task A_file_that_is_missing_trusts_nobody_and_is_named_in_the_log()
    {
        await using var vault = await StartAsync(ours, IPAddress.Loopback);

        var bench = await ShouldNotConnectAsync(vault, Path.Combine(folder, "missing.pem"));

        bench.Logger.Text.ShouldContain("missing.pem");
    }

    [Fact]
    public async Task A_changed_file_is_read_again()
    {
        await using var vault = await StartAsync(ours, IPAddress.Loopback);
        var file = Pem(theirs);
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address) with { CaFile = file, Timeout = TimeSpan.FromSeconds(20) });
        await Should.ThrowAsync<IssuerException>(() => bench.Issuer.HealthAsync(VaultFixture.Cancellation));

        Pem(ours);
        File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddSeconds(2)); // however coarse the file system's clock

        (await bench.Issuer.HealthAsync(VaultFixture.Cancellation)).State.ShouldBe(VaultState.Active);
    }

    private static async Task IssueAsync(SimulatedVault vault, string caFile)
    {
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address) with { CaFile = caFile });
        await bench.IssueAsync();
    }

    private static async Task<VaultFixture> ShouldNotConnectAsync(SimulatedVault vault, string? caFile)
    {
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address) with { CaFile = caFile });
        var failure = await Should.ThrowAsync<IssuerException>(() => bench.Issuer.HealthAsync(VaultFixture.Cancellation));
        failure.Failure.ShouldBe(IssuerFailure.Unavailable);
        failure.Message.ShouldContain("CaFile");
        vault.Seen.ShouldBeEmpty();
        return bench;
    }

    private static async Task<SimulatedVault> StartAsync(X509Certificate2 authority, IPAddress host)
    {
        var vault = await SimulatedVault.StartAsync(certificate: Server(authority, host));
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)));
        return vault;
    }

    private string Pem(params X509Certificate2[] authorities)
    {
        var file = Path.Combine(folder, "ca.pem");
        File.WriteAllText(file, string.Join('\n', authorities.Select(authority => authority.ExportCertificatePem())));
        return file;
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    private static X509Certificate2 Server(X509Certificate2 authority, IPAddress host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=vault", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(host);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        var now = TimeProvider.System.GetUtcNow();
        using var signed = request.Create(authority, now.AddHours(-1), now.AddHours(1), RandomNumberGenerator.GetBytes(8));
        using var whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }
}
