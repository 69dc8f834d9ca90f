using System.Net.Security;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Polly;

namespace Broker.Core.Issuing.Vault;

/// <summary>The HTTP connections to one Vault, each call on the kind that suits it.</summary>
internal sealed class VaultChannels : IDisposable
{
    /// <summary>Connections are renewed this often, so that a Vault that moved in DNS is found.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    private readonly HttpClient repeatable;
    private readonly HttpClient issue;
    private readonly HttpClient health;

    public VaultChannels(VaultIssuerDefinition definition, TimeProvider time, ILogger logger)
    {
        var pipelines = new VaultPipelines(definition.Timeout, time, logger, definition.Name);
        repeatable = Client(pipelines.Repeatable, ConnectionLifetime);
        health = Client(pipelines.Health, ConnectionLifetime);

        // A connection that is kept open can die between two calls, and then nobody can say whether an issue reached Vault. So an
        // issue, which is rare, gets its own connection.
        issue = Client(pipelines.Issue, TimeSpan.Zero);

        HttpClient Client(ResiliencePipeline<HttpResponseMessage> pipeline, TimeSpan lifetime) => new(
            new ResilienceHandler(pipeline)
            {
                InnerHandler = new StandbyRedirectHandler(definition, logger, Connections(definition, lifetime, logger)),
            })
        {
            Timeout = Timeout.InfiniteTimeSpan, // the pipeline's deadlines hold
            MaxResponseContentBufferSize = LargestAnswer,
        };
    }

    /// <summary>The size of a list of half a million leases, in bytes; Vault sends no larger answer.</summary>
    private const int LargestAnswer = 64 * 1024 * 1024;

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

        // Shorter than the deadline of a call, so that a connection that was never established is not mistaken for a lost answer.
        ConnectTimeout = definition.Timeout / 2,
        SslOptions = definition.CaFile is null
            ? new SslClientAuthenticationOptions()
            : new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = new PrivateAuthority(definition.CaFile, reason => Log.AuthorityUnreadable(logger, definition.Name, definition.CaFile, reason)).Accepts,
            },
    };
}
