namespace Broker.Core.Catalog;

/// <summary>TLS on every https address of the broker's (<c>ASPNETCORE_URLS</c>, <c>Kestrel:Endpoints</c>).</summary>
public sealed record TlsSettings
{
    /// <summary>PEM certificate of the broker, with its chain; read again when it changes.</summary>
    public required string CertificateFile { get; init; }

    /// <summary>PEM private key of the certificate; read again with it.</summary>
    public required string CertificateKeyFile { get; init; }

    /// <summary>
    /// PEM file of the authorities whose client certificates are trusted; read again when it changes. Null: clients are not
    /// asked for certificates.
    /// </summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>How often the files are compared (1 s to 1 h, default 10 s).</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(10);
}
