using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace Broker.Core.Catalog.Reading;

internal static partial class IdentityReading
{
    // Signatures with a key that only the issuer has. Never "none", never HS*: with a symmetric key the broker could forge callers.
    private static readonly string[] Asymmetric =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    // Microsoft Entra's clouds: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
    private static readonly string[] Entra = ["microsoftonline.com", "microsoftonline.us", "microsoftonline.cn", "chinacloudapi.cn", "windows.net", "microsoft.com"];
    private static readonly string[] OnlyWithServer = ["CaFile", "BearerTokenFile", "KeysGoodFor"];
    private static readonly string[] Ways = ["Authority", "JwksUri", "JwksFile", "TokenReview"];

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
            AllowReading.Read(reader, "Operators", issuers.Keys))
        {
            Admins = AllowReading.Read(reader, "Admins", issuers.Keys),
            Sessions = SharesReading.Sessions(reader.Child("Sessions")),
            Callers = SharesReading.Limits(reader.Child("Callers"), last: true),
            Teams = SharesReading.Teams(reader, issuers.Keys),
        };
        reader.RefuseUnknownKeys();
        return identity;
    }

    private static IdentityIssuer Issuer(string name, SectionReader reader)
    {
        var defaults = new IdentityIssuer { Name = name, Audience = "" };
        var ways = Ways.Where(reader.HasGroup).ToList();
        var byAuthority = ways.Contains("Authority");
        var byServer = byAuthority || ways.Contains("JwksUri");
        foreach (var second in ways.Skip(1))
            reader.Error(second, $"is set beside {ways[0]}: tokens are verified in only one way.", "Keep one of the two.");
        if (ways.Count == 0)
            reader.Error("Authority", "is missing.", "Set it to the OIDC authority; or set Issuer and JwksUri, Issuer and JwksFile, or Issuer and TokenReview.");
        else if (!byAuthority && !reader.Has("Issuer"))
            reader.Error("Issuer", "is missing.", $"With {ways[0]}, write the iss of its tokens.");

        var issuer = new IdentityIssuer
        {
            Name = name,
            Authority = byAuthority ? reader.ServerAddress("Authority", "Write the OIDC authority, e.g. https://kubernetes.default.svc.") : null,
            Issuer = reader.Text("Issuer"),
            FormerIssuers = reader.Texts("FormerIssuers") ?? [],
            Cluster = reader.Text("Cluster"),
            JwksUri = ways is ["JwksUri"] ? reader.ServerAddress("JwksUri", "Write the address of the keys, e.g. https://kubernetes.default.svc/openid/v1/jwks.") : null,
            JwksFile = ways is ["JwksFile"] ? reader.KeySetFile("JwksFile") : null,
            TokenReview = ways is ["TokenReview"] ? TokenReview(reader.Child("TokenReview")) : null,
            Pods = reader.HasGroup("Pods") ? Pods(reader.Child("Pods")) : null,
            Audience = reader.RequiredText("Audience", "Write the aud of tokens for the broker, e.g. broker."),
            CaFile = reader.CertificateFile("CaFile"),
            BearerTokenFile = reader.ReadableFile("BearerTokenFile"),
            KeysGoodFor = reader.Duration("KeysGoodFor", defaults.KeysGoodFor, TimeSpan.FromMinutes(1), TimeSpan.FromHours(24)),
            Algorithms = Algorithms(reader) ?? defaults.Algorithms,
            ClockSkew = reader.Duration("ClockSkew", defaults.ClockSkew, TimeSpan.Zero, TimeSpan.FromMinutes(5)),
            Sessions = reader.Flag("Sessions", false),
            SpiffeId = SpiffeId(reader),
        };
        if (issuer.Issuer is null && issuer.Authority is { } authority && IsOfAllTenants(authority))
            reader.Error("Authority", "is Microsoft Entra's for all tenants: each tenant's tokens have their own issuer, and anybody can have a tenant.", "Write your tenant's, e.g. https://login.microsoftonline.com/TENANT-ID/v2.0.");
        if (issuer.Issuer?.Contains('{', StringComparison.Ordinal) == true)
            reader.Error("Issuer", "has braces, which no token's iss has.", "Write the iss of your tokens; for Microsoft Entra, with your tenant's id in place of {tenantid}.");
        foreach (var key in OnlyWithServer.Where(key => !byServer && reader.Has(key)))
            reader.Error(key, "is set without Authority, so nothing would use it.", "Remove it.");
        reader.RefuseUnknownKeys();
        return issuer;
    }

    private static bool IsOfAllTenants(Uri authority) =>
        Entra.Any(cloud => authority.Host.EndsWith(cloud, StringComparison.OrdinalIgnoreCase))
        && authority.Segments.ElementAtOrDefault(1)?.TrimEnd('/').ToLowerInvariant() is "common" or "organizations";

    private static string? SpiffeId(SectionReader reader)
    {
        if (reader.Text("SpiffeId") is not { } template) return null;
        if (SpiffeTemplate().IsMatch(template)) return template;
        reader.Error("SpiffeId", "is not a SPIFFE id.", "Write spiffe://your.domain/path, with claims of the token in braces, e.g. /ns/{namespace}/sa/{serviceaccount}.");
        return null;
    }

    [GeneratedRegex(@"\Aspiffe://[a-z0-9._-]+(/([A-Za-z0-9._-]|\{[^{}]+\})+)+\z")]
    private static partial Regex SpiffeTemplate();

    private static TokenReviewSettings TokenReview(SectionReader reader)
    {
        var defaults = new TokenReviewSettings();
        var review = new TokenReviewSettings
        {
            Address = reader.Has("Address")
                ? reader.ServerAddress("Address", "Write the API server's address, e.g. https://kubernetes.default.svc.") ?? defaults.Address
                : defaults.Address,
            CaFile = reader.CertificateFile("CaFile", defaults.CaFile) ?? defaults.CaFile,
            TokenFile = reader.ReadableFile("TokenFile", defaults.TokenFile) ?? defaults.TokenFile,
            RememberFor = reader.Duration("RememberFor", defaults.RememberFor, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)),
        };
        reader.RefuseUnknownKeys();
        return review;
    }

    private static PodWatchSettings Pods(SectionReader reader)
    {
        var defaults = new PodWatchSettings();
        var pods = new PodWatchSettings
        {
            Address = reader.Has("Address")
                ? reader.ServerAddress("Address", "Write the API server's address, e.g. https://kubernetes.default.svc.") ?? defaults.Address
                : defaults.Address,
            CaFile = reader.CertificateFile("CaFile", defaults.CaFile) ?? defaults.CaFile,
            TokenFile = reader.ReadableFile("TokenFile", defaults.TokenFile) ?? defaults.TokenFile,
        };
        reader.RefuseUnknownKeys();
        return pods;
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
