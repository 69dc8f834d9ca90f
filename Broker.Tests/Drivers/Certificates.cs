using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Broker.Tests.Drivers;

/// <summary>An authority of a test's own, and certificates by it, in a folder that servers' users can read.</summary>
public sealed class Certificates : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-certificates-").FullName;
    private readonly X509Certificate2 authority;
    private readonly RSA authorityKey = RSA.Create(2048);

    public Certificates()
    {
        var request = new CertificateRequest("CN=test authority", authorityKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = TimeProvider.System.GetUtcNow();
        authority = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(2));
        AuthorityFile = Path.Combine(directory, "ca.pem");
        File.WriteAllText(AuthorityFile, authority.ExportCertificatePem());
        Run($"chmod 755 {directory} && chmod 644 {AuthorityFile}");
    }

    /// <summary>The authority's certificate, in PEM.</summary>
    public string AuthorityFile { get; }

    /// <summary>Writes a certificate for 127.0.0.1 and localhost with its key.</summary>
    /// <param name="name">Its name, and that of its files.</param>
    /// <param name="owner">The user of the machine whose key it is; null: ours.</param>
    public (string Certificate, string Key) Write(string name, string? owner = null)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        var now = TimeProvider.System.GetUtcNow();
        var serial = RandomNumberGenerator.GetBytes(8);
        serial[0] &= 0x7F;
        using var certificate = request.Create(authority, now.AddHours(-1), now.AddDays(1), serial);
        var (certificateFile, keyFile) = (Path.Combine(directory, name + ".pem"), Path.Combine(directory, name + ".key"));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        // A key is its owner's alone: PostgreSQL refuses one that others may read.
        Run($"chmod 644 {certificateFile} && chmod 600 {keyFile}" + (owner is not null && Environment.IsPrivilegedProcess ? $" && chown {owner} {keyFile}" : ""));
        return (certificateFile, keyFile);
    }

    public void Dispose()
    {
        authority.Dispose();
        authorityKey.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    private static void Run(string command)
    {
        using var shell = Process.Start("sh", ["-c", command]);
        shell.WaitForExit();
        if (shell.ExitCode != 0) throw new InvalidOperationException($"'{command}' failed.");
    }
}
