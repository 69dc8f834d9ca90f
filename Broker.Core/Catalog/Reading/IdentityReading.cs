using System.Collections.Frozen;

namespace Broker.Core.Catalog.Reading;

internal static class IdentityReading
{
    // Signatures with a key that only the issuer has. Never "none", never HS*: a symmetric key would let the broker mint callers.
    private static readonly string[] Asymmetric =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    private static readonly string[] OnlyWithAuthority = ["CaFile", "BearerTokenFile"];

    public static IdentitySettings Read(SectionReader reader)
    {
        var issuers = new Dictionary<string, IdentityIssuer>(StringComparer.Ordinal);
        foreach (var (name, entry) in reader.Named("Issuers"))
            issuers[name] = Issuer(name, entry);
        if (issuers.Count == 0)
            reader.Error("Issuers", "is empty: no caller could prove who it is.", "Name at least one issuer of tokens, e.g. your Kubernetes cluster.");
        var identity = new IdentitySettings(
            issuers.ToFrozenDictionary(StringComparer.Ordinal),
            AllowReading.Read(reader, "Viewers", issuers.Keys),
            AllowReading.Read(reader, "Operators", issuers.Keys));
        reader.RefuseUnknownKeys();
        return identity;
    }

    private static IdentityIssuer Issuer(string name, SectionReader reader)
    {
        var defaults = new IdentityIssuer { Name = name, Audience = "" };
        var byAuthority = reader.Has("Authority");
        var byFile = reader.Has("JwksFile");
        if (byAuthority && byFile)
            reader.Error("JwksFile", "is there beside Authority, which publishes its keys itself.", "Keep one of the two.");
        if (!byAuthority && !byFile)
            reader.Error("Authority", "is missing.", "Set it to the OIDC authority, or set Issuer and JwksFile.");
        if (byFile && !byAuthority && !reader.Has("Issuer"))
            reader.Error("Issuer", "is missing.", "With JwksFile, write the iss that tokens have.");

        var issuer = new IdentityIssuer
        {
            Name = name,
            Authority = byAuthority ? reader.ServerAddress("Authority", "Write the OIDC authority, e.g. https://kubernetes.default.svc.") : null,
            Issuer = reader.Text("Issuer"),
            JwksFile = byFile ? reader.KeySetFile("JwksFile") : null,
            Audience = reader.RequiredText("Audience", "Write the aud that tokens for the broker have, e.g. broker."),
            CaFile = reader.CertificateFile("CaFile"),
            BearerTokenFile = reader.ReadableFile("BearerTokenFile"),
            Algorithms = Algorithms(reader) ?? defaults.Algorithms,
            ClockSkew = reader.Duration("ClockSkew", defaults.ClockSkew, TimeSpan.Zero, TimeSpan.FromMinutes(5)),
        };
        foreach (var key in OnlyWithAuthority.Where(key => !byAuthority && reader.Has(key)))
            reader.Error(key, "is there without Authority, so nothing would use it.", "Take it out.");
        reader.RefuseUnknownKeys();
        return issuer;
    }

    private static IReadOnlyList<string>? Algorithms(SectionReader reader)
    {
        var algorithms = reader.Texts("Algorithms");
        for (var i = 0; i < algorithms?.Count; i++)
        {
            if (!Asymmetric.Contains(algorithms[i], StringComparer.Ordinal))
                reader.Error($"Algorithms:{i}", "is not an accepted signature algorithm.", $"Write some of {string.Join(", ", Asymmetric)}.");
        }

        return algorithms is { Count: > 0 } ? algorithms : null;
    }
}
