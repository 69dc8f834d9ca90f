using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Broker.Api.Authentication;

/// <summary>Where an issuer's keys come from.</summary>
internal static class KeyFetching
{
    private const int MaxDocument = 1 << 20;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    // A published key is dropped by its issuer seldom and in no hurry; a file is cheap to read and its change is an order.
    private static readonly TimeSpan OldFromServer = TimeSpan.FromHours(1);
    private static readonly TimeSpan AgainFromServer = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OldFromFile = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AgainFromFile = TimeSpan.FromSeconds(1);

    public static SigningKeys Create(IdentityIssuer issuer, TimeProvider time, ILogger log) =>
        issuer.JwksFile is { } file
            ? new SigningKeys(issuer.Name, () => FromFileAsync(file), OldFromFile, AgainFromFile, time, log)
            : new SigningKeys(issuer.Name, () => FromServerAsync(issuer, time), OldFromServer, AgainFromServer, time, log);

    private static async Task<KeySet> FromFileAsync(string file) => new(null, KeySet.Parse(await File.ReadAllTextAsync(file)));

    /// <summary>OpenID Connect Discovery 1.0, section 4: the document is below the authority and names the keys' address.</summary>
    private static async Task<KeySet> FromServerAsync(IdentityIssuer issuer, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(Deadline, time);

        // A client for each fetch, which is seldom: so a rotated CA or token file is followed.
        using var client = Client(issuer);
        if (issuer.BearerTokenFile is { } file)
        {
            var token = (await File.ReadAllTextAsync(file, deadline.Token)).Trim();
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        var authority = issuer.Authority!;
        var discovery = new Uri($"{authority.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration");
        var document = OpenIdConnectConfiguration.Create(await client.GetStringAsync(discovery, deadline.Token));
        if (!Uri.TryCreate(document.JwksUri, UriKind.Absolute, out var address)
            || (address.Scheme != Uri.UriSchemeHttps && !(address.Scheme == Uri.UriSchemeHttp && address.IsLoopback)))
            throw new InvalidDataException("The discovery document names no https address of keys (jwks_uri).");
        return new KeySet(document.Issuer, KeySet.Parse(await client.GetStringAsync(address, deadline.Token)));
    }

    private static HttpClient Client(IdentityIssuer issuer)
    {
        // Redirects are not followed: they would carry the bearer token elsewhere.
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = Deadline };
        if (issuer.CaFile is { } file)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.ImportFromPemFile(file);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return new HttpClient(handler) { MaxResponseContentBufferSize = MaxDocument, Timeout = Timeout.InfiniteTimeSpan };
    }
}
