using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Authentication;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>Clients of Kubernetes API servers.</summary>
internal static class ApiServers
{
    /// <summary>A client that trusts one authority and sends the token that is in the file at the time.</summary>
    public static k8s.Kubernetes Connect(Uri address, string caFile, string tokenFile)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(caFile);
        return new k8s.Kubernetes(new KubernetesClientConfiguration
        {
            Host = address.AbsoluteUri.TrimEnd('/'),
            SslCaCerts = authorities,
            TokenProvider = new TokenFileAuth(tokenFile),
        });
    }
}
