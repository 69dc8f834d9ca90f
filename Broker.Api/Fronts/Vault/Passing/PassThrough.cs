using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Model;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>
/// Passes the listed paths to the Vault behind, with the token that the caller's own login got there. Bodies are streamed both ways; only the
/// headers that are named here are passed.
/// </summary>
internal sealed class PassThrough(ICatalog catalog, UpstreamLogins logins, VaultRequests requests, DeskAudit audit, TimeProvider time)
{
    /// <summary>Where a client asks what it may do. It changes nothing, by whatever verb.</summary>
    public const string Capabilities = "sys/capabilities-self";

    private const string Preflight = "sys/internal/ui/mounts/";

    // Vault's own limit (OpenBao http/handler.go DefaultMaxRequestSize): the body is streamed, so it costs no memory here.
    private const long LongestBody = 32 * 1024 * 1024;

    private static readonly TimeSpan BetweenLogins = TimeSpan.FromMinutes(1);

    // How up to date the server has to be that answers a read, and how up to date this one is (Vault's api/client.go, WithState and RequireState).
    private const string Index = "X-Vault-Index";
    // A wrapped answer waits there, where whoever has its token unwraps it (Wrapping).
    private static readonly string[] Forth = [Index, "X-Vault-Inconsistent", "X-Vault-Forward", "X-Vault-Wrap-TTL", "X-Vault-Wrap-Format"];
    private static readonly string[] Back = ["Content-Type", "Content-Length", "Retry-After", Index];

    /// <summary>Whether a path passes.</summary>
    public bool Covers(string path) => logins.Channel?.Settings.Passes(path) == true;

    /// <summary>Whether a request passes: for a path that does, or for the mount of one, whose path a client may ask for by any path below it.</summary>
    /// <param name="space">The client's namespace; null: none.</param>
    /// <param name="path">Its path in it.</param>
    public bool Covers(string? space, string path)
    {
        if (logins.Channel is not { } upstream) return false;
        if (!path.StartsWith(Preflight, StringComparison.Ordinal)) return upstream.Settings.Passes(path);
        var settings = catalog.Current.VaultApi;
        var asked = PathInNamespace.SplitAtMount(settings, space, path[Preflight.Length..].TrimEnd('/') + "/");
        return settings.MountOf(asked.Space, asked.Path) is null && upstream.Settings.PassesAtMountOf(asked.Path);
    }

    /// <summary>Whether anything of a mount passes.</summary>
    /// <param name="mount">Its path, without slashes around it; empty: of any.</param>
    public bool PassesAnyOf(string mount) => logins.Channel is { Settings.Pass: { Count: > 0 } } upstream && (mount.Length == 0 || upstream.Settings.PassesAnyOf(mount));

    /// <summary>Passes a request whose body has not been read.</summary>
    /// <exception cref="VaultError">It is refused, or the Vault behind does not answer; nothing was written.</exception>
    public async Task PassAsync(VaultCall call)
    {
        var (context, request) = (call.Context, call.Context.Request);
        if (!IsMethod(request.Method)) throw VaultError.UnsupportedOperation();
        var client = await requests.ClientOfAsync(call, strictly: true);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = LongestBody;
        using var content = BodyOf(request);
        using var response = await SendAsync(call, client, new HttpMethod(request.Method.ToUpperInvariant()), call.Path, request.QueryString.Value ?? "", content, Forth, call.Cancellation);

        context.Response.StatusCode = (int)response.StatusCode;
        foreach (var name in Back)
        {
            if (response.Content.Headers.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values)) context.Response.Headers[name] = values.ToArray();
        }

        try
        {
            await context.Response.StartAsync(call.Cancellation);
            if (!HttpMethods.IsHead(request.Method)) await response.Content.CopyToAsync(context.Response.Body, call.Cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            context.Abort(); // an answer that has begun cannot be taken back
        }
    }

    /// <summary>Sends a request about a lease of the Vault behind's own.</summary>
    /// <exception cref="VaultError">It is refused, or the Vault behind does not answer.</exception>
    public async ValueTask<VaultReply> AskAsync(VaultCall call, VaultClient client, string path, JsonObject fields)
    {
        using var content = ContentOf(fields);
        return await AskAsync(call, client, HttpMethod.Put, path, content);
    }

    /// <summary>Sends a request to the Vault behind, and reads the whole answer.</summary>
    /// <exception cref="VaultError">It is refused, or the Vault behind does not answer.</exception>
    public async ValueTask<VaultReply> AskAsync(VaultCall call, VaultClient client, HttpMethod method, string path, HttpContent? content)
    {
        using var response = await SendAsync(call, client, method, path, "", content, Forth, call.Cancellation);
        return new VaultReply
        {
            Status = (int)response.StatusCode,
            Ready = await response.Content.ReadAsByteArrayAsync(call.Cancellation),
            Headers = [.. response.Headers.Where(header => header.Key is "Retry-After" or Index).Select(header => (header.Key, string.Join(", ", header.Value)))],
        };
    }

    /// <summary>
    /// The data of an answer to a question that the broker asks there for a client, to complete its own answer; null: there are none, or not as soon as a login would be waited for.
    /// </summary>
    public async ValueTask<JsonElement?> DataOfAsync(VaultCall call, VaultClient client, HttpMethod method, string path, JsonObject? fields)
    {
        if (logins.Channel is not { } upstream) return null;
        using var deadline = new CancellationTokenSource(UpstreamLogins.WaitFor(upstream), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, call.Cancellation);
        try
        {
            using var content = fields is null ? null : ContentOf(fields);
            using var response = await SendAsync(call, client, method, path, "", content, [], either.Token);
            if (!response.IsSuccessStatusCode) return null;
            using var json = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(either.Token));
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object ? data.Clone() : null;
        }
        catch (Exception e) when (e is VaultError or HttpRequestException or IOException or JsonException || (e is OperationCanceledException && !call.Cancellation.IsCancellationRequested))
        {
            return null; // what was asked, and that it was not answered, is on record
        }
    }

    private static ByteArrayContent ContentOf(JsonObject fields)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(fields));
        content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        return content;
    }

    // The record is written before the answer (law L7). A request that may change something there is recorded before it is sent, is completed
    // even if the caller leaves, and its outcome is recorded too, known or not.
    private async Task<HttpResponseMessage> SendAsync(
        VaultCall call, VaultClient client, HttpMethod method, string path, string query, HttpContent? content, string[] forth, CancellationToken cancellation)
    {
        var upstream = logins.Channel ?? throw VaultError.NoHandler(path);
        if (await logins.TokenOfAsync(call, client) is not { } token)
            throw new VaultError(403, WordsFor(client), "this login has no token of the Vault behind the broker, which refused it or did not answer then: log in again");
        // In another namespace it would be another thing.
        var what = $"{method} {((upstream.Settings.Namespace ?? call.Namespace) is { Length: > 0 } space ? space + "/" : "")}{path}";
        var changes = method.Method is not ("GET" or "HEAD" or "LIST" or "SCAN") && path != Capabilities;
        if (changes) await RecordAsync(call, client, AuditOutcome.Ordered, $"{what}: to be sent", null);
        HttpResponseMessage response;
        try
        {
            var headers = forth.SelectMany(name => call.Context.Request.Headers[name].Select(value => KeyValuePair.Create(name, value)));
            response = await upstream.SendAsync(method, path, query, token, call.Namespace, content, changes ? Requests.ToItsEnd : cancellation, headers);
        }
        catch (Exception e) when (e is VaultError or BadHttpRequestException or OperationCanceledException)
        {
            var why = changes ? "sent, and what became of it is not known" : "asked, and nothing was answered in time";
            var refusal = await RecordAsync(call, client, AuditOutcome.Failed, $"{what}: {why}", (e as VaultError)?.Status, new(RefusalCode.IssuerUnavailable, $"The Vault behind the broker: {why}"));
            if (e is VaultError away) throw new VaultError(away.Status, [.. away.Errors]) { RetryAfter = away.RetryAfter, IsAudited = true, Refusal = refusal };
            throw;
        }

        var status = (int)response.StatusCode;
        try
        {
            // What is not there, or was asked for wrongly, is no refusal of the caller: that it was refused too often ends its writes (CallerRefusals).
            // A standby also redirects what it passed on and got no answer to (OpenBao http/handler.go forwardRequest).
            await RecordAsync(call, client, status is 401 or 403 or 429 ? AuditOutcome.Refused : status is >= 300 and < 400 or >= 500 ? AuditOutcome.Failed : AuditOutcome.Granted, string.Create(CultureInfo.InvariantCulture, $"{what}: {status}"), status);
        }
        catch (VaultError)
        {
            response.Dispose();
            throw;
        }

        if (status is < 300 or >= 400) return response;
        response.Dispose();
        throw new VaultError(503, "The Vault behind the broker is a standby that names another: its address has to be the active one's.") { RetryAfter = TimeSpan.FromSeconds(1) };
    }

    // At the words of Vault an Agent logs in again, at once and each time: who has just done that would do nothing else.
    private string WordsFor(VaultClient client) => time.GetUtcNow() - client.Live.Token.IssuedAt < BetweenLogins ? "permission denied" : VaultError.TokenIsOver;

    // The refusal as it is recorded: by itself, or counted.
    private async ValueTask<Refusal?> RecordAsync(VaultCall call, VaultClient client, AuditOutcome outcome, string detail, int? status, Refusal? refusal = null)
    {
        var record = DeskAudit.Of(AuditAction.Pass, client.Caller, null, call.Origin, time) with
        {
            CallerSession = client.Live.Token.Accessor,
            Outcome = outcome,
            Detail = detail,
            HttpStatus = status,
        };
        var told = (await audit.WriteAsync(record, new Outcome(null, refusal), Requests.ToItsEnd)).Refusal;
        return told is null || told.Code == refusal?.Code ? told : throw VaultRefusals.Of(told);
    }

    private static bool IsMethod(string method) => method.ToUpperInvariant() is "GET" or "HEAD" or "LIST" or "SCAN" or "PUT" or "POST" or "PATCH" or "DELETE"; // SCAN is OpenBao's: a list of everything below

    private static PassedBody? BodyOf(HttpRequest request) =>
        request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false } || request.ContentLength is 0 ? null : new PassedBody(request);
}
