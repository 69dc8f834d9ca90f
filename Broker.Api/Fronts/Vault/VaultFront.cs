using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Api.Health;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts.Vault;

/// <summary>
/// The Vault-compatible API: everything below <c>/v1/</c>. A pipeline of its own, ahead of the framework's, because Vault's rules
/// for verbs, bodies, paths and errors are not the framework's, and none of the framework's may show.
/// </summary>
internal sealed class VaultFront(ICatalog catalog, IEnumerable<IVaultEndpoints> endpoints, PassThrough passing, ShadowReads shadow, Wrapping wrapping, VaultRequests requests, RequestGuard guard, Readiness readiness, ILogger<VaultFront> log)
{
    private const string Prefix = "/v1/";
    private const string NoPath = "/v1";

    // Only the framework's own routing names a request's route, and this front stands ahead of it.
    private static readonly KeyValuePair<string, object?> Route = new("http.route", "/v1/{**path}");
    private readonly IVaultEndpoints[] endpoints = [.. endpoints];
    private volatile bool hasBeenReady;

    /// <summary>Answers <c>/v1</c> and everything below it; other requests continue.</summary>
    public Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        var path = PlainPath.Of(context.Request.Path.Value ?? "");
        if (!(path.StartsWith(Prefix, StringComparison.Ordinal) || path == NoPath) || !catalog.Current.VaultApi.Enabled) return next(context);
        context.Request.Path = path;
        return HandleAsync(context, path == NoPath ? null : path[Prefix.Length..]);
    }

    // Null: there is no slash behind the prefix, and Vault has no path there.
    private async Task HandleAsync(HttpContext context, string? path)
    {
        SecurityHeaders.Put(context);
        context.Features.Get<IHttpMetricsTagsFeature>()?.Tags.Add(Route);
        try
        {
            VaultReply? reply;
            try
            {
                EchoNamespace(context);
                reply = await AnswerAsync(context, path ?? throw VaultError.NothingThere());
            }
            catch (BadHttpRequestException e)
            {
                throw new VaultError(e.StatusCode, e.StatusCode == 413 ? "http: request body too large" : "error parsing JSON");
            }
            catch (LedgerException)
            {
                throw new VaultError(503, "The broker's ledger does not answer, so nothing can be promised. Come back shortly.") { RetryAfter = TimeSpan.FromSeconds(1) };
            }

            if (reply is not null) await WriteAsync(context, reply);
        }
        catch (VaultError error)
        {
            await requests.RecordAsync(context, error);
            await WriteAsync(context, error);
        }
        catch (Exception e) when (context.Left(e))
        {
            // The caller left. In case it is still there, it must not take an empty answer for an unrecorded success.
            context.Abort();
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            if (await guard.RecordFaultAsync(context, e)) log.Fault(context.Request.Method, RefusalWriter.Short(ShownPath.Of(context.Request)), e);
            await WriteAsync(context, new VaultError(500, $"internal error, logged under trace {context.TraceId()}"));
        }
    }

    // Null: it passed, and is answered.
    private async ValueTask<VaultReply?> AnswerAsync(HttpContext context, string whole)
    {
        if (whole.Split('/') is var segments && (segments.Contains("..") || segments.Contains("."))) throw VaultError.Bad("path cannot contain parent references");
        var operation = OperationOf(context.Request);
        var (space, path) = PathInNamespace.Of(catalog.Current.VaultApi, VaultCall.NamespaceOf(context), whole);
        if (passing.Covers(space, path))
        {
            MustBeReady(path);
            await passing.PassAsync(new(context, path, operation, VaultBody.OfQuery(context.Request.Query), space));
            return null;
        }

        if (operation is VaultOperation.List) path = path.TrimEnd('/');
        MustBeReady(path);
        var isPatch = HttpMethods.IsPatch(context.Request.Method) && !IsBeforeAll(path);
        if (isPatch) MergePatch.Must(context.Request.ContentType);
        if (operation is VaultOperation.Read && shadow.Covers(space, path))
        {
            var read = new VaultCall(context, path, operation, VaultBody.OfQuery(context.Request.Query), space);
            return await shadow.ReadAsync(read, await requests.ClientOfAsync(read, strictly: true));
        }

        if (operation is VaultOperation.Update && path.EndsWith('/')) throw VaultError.Bad("cannot write to a path ending in '/'");
        var body = operation is VaultOperation.Update || isPatch ? await VaultBody.ReadAsync(context.Request, context.RequestAborted) : VaultBody.OfQuery(context.Request.Query);
        var call = new VaultCall(context, path, operation, body, space);
        var wrapFor = call.WrapTtl;
        foreach (var group in endpoints)
        {
            if (await group.TryAnswerAsync(call) is not { } reply) continue;
            if (!reply.IsEnvelope) return reply;
            if (body.Ignored is { Count: > 0 } ignored) reply.Warnings = [.. reply.Warnings, $"Endpoint ignored these unrecognized parameters: [{string.Join(' ', ignored)}]"];
            return wrapFor is { } ttl ? await wrapping.WrapAsync(call, reply, ttl) : reply;
        }

        // A client whose token is over logs in again when it is refused, and does not when it finds nothing.
        await requests.ClientOfAsync(call, strictly: false);
        throw VaultError.NoHandler(path);
    }

    // A replica that was never ready touches nothing. A replica that is about to stop serves to the end: some clients restart their
    // applications when a single renewal fails.
    private void MustBeReady(string path)
    {
        if (!hasBeenReady && readiness.Missing is null) hasBeenReady = true;
        if (!hasBeenReady && !IsBeforeAll(path)) throw new VaultError(503, "Vault is sealed") { RetryAfter = TimeSpan.FromSeconds(1) };
    }

    // These are no paths of an engine, and are answered whatever else is.
    private static bool IsBeforeAll(string path) => path is "sys/health" or "sys/seal-status" or "sys/init" or "sys/leader";

    // A header that no answer can carry would break the answer.
    private static void EchoNamespace(HttpContext context)
    {
        if (context.Request.Headers["X-Vault-Namespace"].FirstOrDefault() is not { Length: > 0 } space) return;
        if (space.AsSpan().ContainsAnyExceptInRange(' ', '~')) throw VaultError.Bad("X-Vault-Namespace holds letters that no path has");
        context.Response.Headers["X-Vault-Namespace"] = space;
    }

    // "help" asks for the description of a path, and never for its content (OpenBao http/help.go). HEAD is an operation of its own, which
    // only sys/health knows (OpenBao http/logical.go): a login by HEAD would count without its client ever seeing it.
    private static VaultOperation OperationOf(HttpRequest request) => request.Method.ToUpperInvariant() switch
    {
        "HELP" => VaultOperation.Help,
        _ when request.Query["help"].FirstOrDefault() is { Length: > 0 } => VaultOperation.Help,
        "GET" => !GoFlag.TryParse(request.Query["list"].FirstOrDefault() ?? "", out var isList) ? throw new VaultError(400) : isList ? VaultOperation.List : VaultOperation.Read,
        "LIST" => VaultOperation.List,
        "PUT" or "POST" => VaultOperation.Update,
        "DELETE" => VaultOperation.Delete,
        "HEAD" or "PATCH" or "OPTIONS" or "SCAN" => VaultOperation.Unsupported,
        _ => throw VaultError.NoSuchMethod(),
    };

    private static async Task WriteAsync(HttpContext context, VaultReply reply)
    {
        foreach (var (name, value) in reply.Headers) context.Response.Headers[name] = value;
        await WriteAsync(context, reply.Status, reply.Body());
    }

    private static async Task WriteAsync(HttpContext context, VaultError error)
    {
        if (error.RetryAfter is { } retry) context.Response.Headers.RetryAfter = Math.Ceiling(retry.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        await WriteAsync(context, error.Status, new VaultReply { Status = error.Status, Whole = json => json.WriteTexts("errors", error.Errors) }.Body());
    }

    // Exactly this content type, even on empty answers: Vault's Agent caches only such answers.
    private static async Task WriteAsync(HttpContext context, int status, ReadOnlyMemory<byte> body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        if (body.IsEmpty) return;
        context.Response.ContentLength = body.Length;
        if (HttpMethods.IsHead(context.Request.Method)) return;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
