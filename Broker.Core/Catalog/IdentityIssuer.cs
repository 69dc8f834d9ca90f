namespace Broker.Core.Catalog;

/// <summary>Whose tokens prove a caller.</summary>
public sealed record IdentityIssuer
{
    /// <summary>Its key under <c>Broker:Identity:Issuers</c>.</summary>
    public required string Name { get; init; }

    /// <summary>OIDC authority: keys are found by discovery. Either this, or <see cref="JwksFile"/> with <see cref="Issuer"/>.</summary>
    public Uri? Authority { get; init; }

    /// <summary>The <c>iss</c> a token must have; with an authority, default: what its discovery document says.</summary>
    public string? Issuer { get; init; }

    /// <summary>File with the JSON Web Key Set; read again when it changes.</summary>
    public string? JwksFile { get; init; }

    /// <summary>The <c>aud</c> a token must have.</summary>
    public required string Audience { get; init; }

    /// <summary>PEM file of the authority that signed the OIDC server's certificate; null: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>File with a bearer token that the OIDC server wants for discovery (Kubernetes API servers often do); null: none.</summary>
    public string? BearerTokenFile { get; init; }

    /// <summary>Signature algorithms accepted (default RS256, ES256, PS256); never <c>none</c>, never symmetric ones.</summary>
    public IReadOnlyList<string> Algorithms { get; init; } = ["RS256", "ES256", "PS256"];

    /// <summary>How far the issuer's clock may be off (0 to 5 min, default 30 s).</summary>
    public TimeSpan ClockSkew { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Who asks, and who may look and steer.</summary>
/// <param name="Issuers">Whose tokens are believed.</param>
/// <param name="Viewers">Who may see budgets, leases, the page and the metrics.</param>
/// <param name="Operators">Who may revoke and rotate too.</param>
public sealed record IdentitySettings(
    IReadOnlyDictionary<string, IdentityIssuer> Issuers,
    IReadOnlyList<AllowRule> Viewers,
    IReadOnlyList<AllowRule> Operators);
