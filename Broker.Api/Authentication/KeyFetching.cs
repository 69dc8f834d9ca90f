using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Broker.Api.Authentication;

/// <summary>Where an issuer's keys come from.</summary>
internal static class KeyFetching
{
    // Where every Kubernetes API server publishes the keys of service account tokens, whatever its discovery document says:
    // kubernetes.io/docs/tasks/configure-pod-container/configure-service-account, "Service account issuer discovery".
    private const string ApiServersKeys = "/openid/v1/jwks";
    private const int MaxDocument = 1 << 20;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Minute = ProvenTokens.Longest;

    // A file is cheap to read, and a change to it takes effect at once; a broken file changes nothing, and the previous keys stay.
    private static readonly KeyAges OfFile = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10), TimeSpan.MaxValue, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));

    // A cluster's keys save reviews of forged tokens; the cluster need not let the broker have them.
    private static readonly KeyAges OfCluster = new(Minute / 2, Minute, Minute, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1));

    public static SigningKeys Create(IdentityIssuer issuer, TimeProvider time, ILogger log)
    {
        var ages = issuer.JwksFile is not null ? OfFile
            : issuer.TokenReview is not null ? OfCluster
            : new KeyAges(Minute / 2, Minute, issuer.KeysGoodFor, TimeSpan.FromSeconds(10), SigningKeys.AfterFailure);
        return new SigningKeys(issuer.Name, () => FetchAsync(issuer, time), ages, time, log);
    }

    /// <summary>Fetches an issuer's keys once; throws whatever goes wrong.</summary>
    public static Task<KeySet> FetchAsync(IdentityIssuer issuer, TimeProvider time) => issuer switch
    {
        { JwksFile: { } file } => FromFileAsync(file),
        { TokenReview: { } review } => AtAsync(new Uri(review.Address, ApiServersKeys), review.CaFile, review.TokenFile, time),
        { JwksUri: { } uri } => AtAsync(uri, issuer.CaFile, issuer.BearerTokenFile, time),
        _ => DiscoverAsync(issuer, time),
    };

    private static async Task<KeySet> FromFileAsync(string file) => new(null, KeySet.Parse(await File.ReadAllTextAsync(file)));

    private static async Task<KeySet> AtAsync(Uri address, string? caFile, string? tokenFile, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var client = Client(caFile);
        return new KeySet(null, KeySet.Parse(await GetAsync(client, address, await TokenAsync(tokenFile, deadline.Token), deadline.Token)));
    }

    /// <summary>OpenID Connect Discovery 1.0, section 4: the document is below the authority and gives the address of the keys.</summary>
    private static async Task<KeySet> DiscoverAsync(IdentityIssuer issuer, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(Deadline, time);

        // Fetches are rare, so each has its own client, which picks up a rotated CA or token file.
        using var client = Client(issuer.CaFile);
        var token = await TokenAsync(issuer.BearerTokenFile, deadline.Token);
        var authority = issuer.Authority!;
        var document = OpenIdConnectConfiguration.Create(await GetAsync(
            client, new Uri($"{authority.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration"), token, deadline.Token));
        if (!Uri.TryCreate(document.JwksUri, UriKind.Absolute, out var address)
            || (address.Scheme != Uri.UriSchemeHttps && !(address.Scheme == Uri.UriSchemeHttp && address.IsLoopback)))
            throw new InvalidDataException("The discovery document has no https jwks_uri.");
        // Microsoft Entra's document for all tenants: only an issuer that the configuration names is trusted.
        if (issuer.Issuer is null && document.Issuer?.Contains('{', StringComparison.Ordinal) == true)
            throw new InvalidDataException($"The discovery document's issuer, {document.Issuer}, is a template that no token carries: set Authority to one tenant's, or set Issuer.");
        return new KeySet(document.Issuer, KeySet.Parse(await KeysAsync(client, authority, address, token, deadline.Token)));
    }

    private static async Task<string> KeysAsync(HttpClient client, Uri authority, Uri address, string? token, CancellationToken cancellation)
    {
        // The token is meant for the authority only: whoever writes the document could name any host.
        if (IsAt(authority, address)) return await GetAsync(client, address, token, cancellation);
        if (!address.AbsolutePath.EndsWith(ApiServersKeys, StringComparison.Ordinal)) return await GetAsync(client, address, null, cancellation);
        try
        {
            // EKS and k3s give an address in the API server's own network, which pods cannot reach.
            return await GetAsync(client, new Uri(authority, ApiServersKeys), token, cancellation);
        }
        catch (HttpRequestException)
        {
            return await GetAsync(client, address, null, cancellation);
        }
    }

    private static bool IsAt(Uri authority, Uri address) => Uri.Compare(authority, address, UriComponents.SchemeAndServer, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private static async Task<string?> TokenAsync(string? file, CancellationToken cancellation) =>
        file is null ? null : (await File.ReadAllTextAsync(file, cancellation)).Trim();

    private static async Task<string> GetAsync(HttpClient client, Uri address, string? token, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await client.SendAsync(request, cancellation);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(cancellation);
    }

    private static HttpClient Client(string? caFile)
    {
        // Redirects are not followed: they would carry the bearer token elsewhere.
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = Deadline };
        if (caFile is not null)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.ImportFromPemFile(caFile);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return new HttpClient(handler) { MaxResponseContentBufferSize = MaxDocument, Timeout = Timeout.InfiniteTimeSpan };
    }
}
