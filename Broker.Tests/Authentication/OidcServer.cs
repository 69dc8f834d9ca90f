using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Broker.Tests.Authentication;

/// <summary>An OIDC server whose every answer the test decides, and which remembers what it was asked.</summary>
internal sealed class OidcServer : IAsyncDisposable
{
    private readonly WebApplication server;

    private OidcServer(WebApplication server) => this.server = server;

    public Uri Authority => new(server.Urls.Single());

    public string Issuer { get; set; } = TokenMint.Issuer;

    public string Keys { get; set; } = "{}";

    public string? JwksUri { get; set; }

    public bool Down { get; set; }

    /// <summary>What it answers to everything; null: what it is asked for.</summary>
    public string? Answer { get; set; }

    public ConcurrentQueue<(string Path, string? Authorization)> Asked { get; } = [];

    public static async Task<OidcServer> StartAsync(X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null) listen.UseHttps(certificate);
        }));
        var oidc = new OidcServer(builder.Build());
        oidc.server.Run(oidc.AnswerAsync);
        await oidc.server.StartAsync(Xunit.TestContext.Current.CancellationToken);
        return oidc;
    }

    /// <summary>A certificate for 127.0.0.1 that vouches for itself.</summary>
    public static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=oidc", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        Asked.Enqueue((context.Request.Path, context.Request.Headers.Authorization));
        if (Down)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        }

        if (Answer is not null)
        {
            context.Response.ContentType = "application/json";
            context.Response.StatusCode = StatusCodes.Status201Created;
            return context.Response.WriteAsync(Answer);
        }

        return context.Response.WriteAsync(context.Request.Path.Value!.EndsWith("/jwks", StringComparison.Ordinal)
            ? Keys
            : $$"""{ "issuer": "{{Issuer}}", "jwks_uri": "{{JwksUri ?? new Uri(Authority, "jwks").AbsoluteUri}}" }""");
    }
}
