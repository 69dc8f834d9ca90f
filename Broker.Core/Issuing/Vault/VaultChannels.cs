using System.Net.Security;
using Broker.Core.Catalog;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Polly;

namespace Broker.Core.Issuing.Vault;

/// <summary>The HTTP connections to one Vault, each call on the kind that suits it.</summary>
internal sealed class VaultChannels : IDisposable
{
    /// <summary>Connections are made anew this often, so that a Vault which moved in DNS is found.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    private readonly HttpClient repeatable;
    private readonly HttpClient issue;
    private readonly HttpClient health;

    public VaultChannels(VaultIssuerDefinition definition, TimeProvider time, ILogger logger)
    {
        var pipelines = new VaultPipelines(definition.Timeout, time, logger, definition.Name);
        repeatable = Client(pipelines.Repeatable, ConnectionLifetime);
        health = Client(pipelines.Health, ConnectionLifetime);

        // The framework silently sends a GET again when a connection it kept open dies before the answer. Vault could have
        // made a user by then, and would make a second one: so an issue never goes over a used connection.
        issue = Client(pipelines.Issue, TimeSpan.Zero);

        HttpClient Client(ResiliencePipeline<HttpResponseMessage> pipeline, TimeSpan lifetime) => new(
            new ResilienceHandler(pipeline)
            {
                InnerHandler = new StandbyRedirectHandler(definition, logger, Connections(definition, lifetime, logger)),
            })
        {
            Timeout = Timeout.InfiniteTimeSpan, // the pipeline's deadlines hold
        };
    }

    /// <summary>The connections for a call.</summary>
    public HttpClient For(VaultCall call) => call switch
    {
        VaultCall.Issue => issue,
        VaultCall.Health => health,
        _ => repeatable,
    };

    public void Dispose()
    {
        repeatable.Dispose();
        issue.Dispose();
        health.Dispose();
    }

    private static SocketsHttpHandler Connections(VaultIssuerDefinition definition, TimeSpan lifetime, ILogger logger) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = lifetime,

        // Shorter than the deadline of a call: a connection that never came up is told apart from a lost answer.
        ConnectTimeout = definition.Timeout / 2,
        SslOptions = definition.CaFile is null
            ? new SslClientAuthenticationOptions()
            : new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = new PrivateAuthority(definition, logger).Accepts,
            },
    };
}
