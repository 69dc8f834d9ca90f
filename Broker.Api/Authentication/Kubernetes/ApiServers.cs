using System.Net;
using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Authentication;
using k8s.Autorest;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>Clients of Kubernetes API servers.</summary>
internal static class ApiServers
{
    /// <summary>A client that trusts one authority and sends the token that is currently in the file.</summary>
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

    /// <summary>Says why an API server could not be asked.</summary>
    /// <param name="failure">The exception of the request.</param>
    /// <param name="forbidden">What the broker's account lacks when it is refused.</param>
    public static string WhyNot(Exception failure, string forbidden) => failure switch
    {
        HttpOperationException { Response.StatusCode: HttpStatusCode.Forbidden } => forbidden,
        HttpOperationException { Response.StatusCode: HttpStatusCode.Unauthorized } => "it does not accept the broker's own token (TokenFile)",
        HttpOperationException refused => $"it answered {(int)refused.Response.StatusCode}",
        KubernetesException { Status: { } status } => $"it answered {status.Code} ({status.Message})",
        OperationCanceledException => "it did not answer in time",
        HttpRequestException => failure.GetBaseException().Message, // the outer message only says that there is an inner exception
        _ => failure.Message,
    };
}
