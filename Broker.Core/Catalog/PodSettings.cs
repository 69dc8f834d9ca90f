namespace Broker.Core.Catalog;

/// <summary>How a pod's connection is encrypted, with PostgreSQL's names for the modes.</summary>
public enum PodSslMode
{
    /// <summary>Not at all.</summary>
    Disable,

    /// <summary>If the server offers it. Not every client supports this: the grant says which ones connect without TLS.</summary>
    Prefer,

    /// <summary>Always, without verifying the certificate.</summary>
    Require,

    /// <summary>Always, with a certificate of a trusted authority, whatever its name.</summary>
    VerifyCA,

    /// <summary>Always, with a certificate of such an authority for the host that is connected to.</summary>
    VerifyFull,
}

/// <summary>
/// How pods connect, where it differs from how the broker itself connects. Files are named by their paths in the pods: the broker never
/// reads them. A role's settings override its database's.
/// </summary>
public sealed record PodSettings
{
    /// <summary>Of roles: the host that its pods connect to (a pooler's, a socket), or several; null: the database's.</summary>
    public string? Host { get; init; }

    /// <summary>Of roles: the port of the host; null: the database's.</summary>
    public int? Port { get; init; }

    /// <summary>Of roles: the name of the database that its pods open (<c>Name</c> in the configuration); null: the database's.</summary>
    public string? DatabaseName { get; init; }

    /// <summary>The encryption; null: like the administrator's connection.</summary>
    public PodSslMode? SslMode { get; init; }

    /// <summary>PEM file of the authorities that pods trust (Connector/J: a trust store); null: the client's own default.</summary>
    public string? CaFile { get; init; }

    /// <summary>PEM file of the certificate that pods present (MongoDB: with its key); null: none.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>PEM file of that certificate's key; null: none.</summary>
    public string? KeyFile { get; init; }
}
