using System.Net.Security;
using System.Text;
using System.Text.Json;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>The connections to the Vault behind. Only what is given here is sent there: no header of a request passes by itself.</summary>
internal sealed class UpstreamChannel : IDisposable
{
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    // As long as Vault itself works on one request (default_max_request_duration). Go's client asks twice more at a 503, and each of its reads makes a database user there:
    // whoever asked ends the wait sooner.
    private static readonly TimeSpan LongestWork = TimeSpan.FromSeconds(90);
    private readonly HttpClient client;
    private readonly TimeProvider time;

    public UpstreamChannel(VaultUpstream settings, TimeProvider time, ILogger log)
    {
        (Settings, this.time) = (settings, time);
        client = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // it would carry the token to any host that an answer names
            UseCookies = false,
            PooledConnectionLifetime = ConnectionLifetime,
            ConnectTimeout = settings.Timeout,
            SslOptions = settings.CaFile is null ? new() : new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = new PrivateAuthority(settings.CaFile, reason => log.UpstreamAuthorityUnreadable(settings.CaFile, reason)).Accepts,
            },
        })
        {
            Timeout = Timeout.InfiniteTimeSpan, // answers are streamed for as long as they last; only their beginning has a deadline
        };
    }

    public VaultUpstream Settings { get; }

    /// <summary>Sends a request, and answers when its answer begins, which is waited for as long as Vault itself works on one.</summary>
    /// <param name="method">The verb.</param>
    /// <param name="path">The path behind <c>/v1/</c>, unescaped.</param>
    /// <param name="query">With its question mark; empty: none.</param>
    /// <param name="token">The token of the Vault behind to send; null: none, for a login.</param>
    /// <param name="space">The client's namespace; the configured one takes precedence.</param>
    /// <param name="content">The body; null: none.</param>
    /// <param name="cancellation">The client left.</param>
    /// <param name="headers">Others to send; null: none.</param>
    /// <exception cref="VaultError">It does not answer.</exception>
    /// <exception cref="BadHttpRequestException">The client's body cannot be passed.</exception>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string query, Secret? token, string? space, HttpContent? content, CancellationToken cancellation, IEnumerable<KeyValuePair<string, string?>>? headers = null)
    {
        using var request = new HttpRequestMessage(method, Target(path, query)) { Content = content };
        request.Headers.TryAddWithoutValidation("X-Vault-Request", "true");
        if (token is not null) request.Headers.TryAddWithoutValidation("X-Vault-Token", token.Reveal());
        if ((Settings.Namespace ?? space) is { Length: > 0 } named) request.Headers.TryAddWithoutValidation("X-Vault-Namespace", named);
        foreach (var (name, value) in headers ?? []) request.Headers.TryAddWithoutValidation(name, value);

        // Not disposed: the body may still end after its answer has begun.
        var (deadline, work) = (new CancellationTokenSource(Timeout.InfiniteTimeSpan, time), Settings.Timeout > LongestWork ? Settings.Timeout : LongestWork);
        if (content is PassedBody body) body.Sent = () => deadline.CancelAfter(work);
        else deadline.CancelAfter(work);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        }
        catch (HttpRequestException e) when (e.InnerException is BadHttpRequestException)
        {
            throw e.InnerException; // the client's own body is too long, or does not come
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new VaultError(503, "The Vault behind the broker does not answer. What the broker issues itself is not affected.") { RetryAfter = TimeSpan.FromSeconds(1) };
        }
    }

    /// <summary>Sends a few fields, and reads the whole answer.</summary>
    /// <param name="path">As above.</param>
    /// <param name="fields">The body.</param>
    /// <param name="token">As above.</param>
    /// <param name="space">As above.</param>
    /// <param name="cancellation">The client left.</param>
    /// <param name="within">How long all of it may take; null: the configured time.</param>
    /// <exception cref="VaultError">It does not answer.</exception>
    public async Task<(int Status, byte[] Body)> AskAsync(string path, IReadOnlyDictionary<string, string> fields, Secret? token, string? space, CancellationToken cancellation, TimeSpan? within = null)
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(fields));
        content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        using var deadline = new CancellationTokenSource(within ?? Settings.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            using var response = await SendAsync(HttpMethod.Put, path, "", token, space, content, either.Token);
            return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(either.Token));
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new VaultError(503, "The Vault behind the broker did not finish its answer.") { RetryAfter = TimeSpan.FromSeconds(1) };
        }
    }

    public void Dispose() => client.Dispose();

    // Escaped again, so that the path matched against the list is the one requested there.
    private Uri Target(string path, string query)
    {
        var escaped = new StringBuilder(Settings.Address.AbsoluteUri.TrimEnd('/')).Append("/v1");
        foreach (var segment in path.Split('/')) escaped.Append('/').Append(Uri.EscapeDataString(segment));
        return new Uri(escaped.Append(query).ToString());
    }
}
