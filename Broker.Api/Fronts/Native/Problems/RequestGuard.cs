using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>
/// Refusals that no desk makes: not proven, not allowed, not understood, no such address. They too are in the audit before
/// they leave (law L7).
/// </summary>
public sealed class RequestGuard(IAudit audit, UnprovenRefusals unproven, ProofHasher hasher, TimeProvider time, ILogger<RequestGuard> log) : IAuthorizationMiddlewareResultHandler
{
    private static readonly AuthorizationMiddlewareResultHandler Ordinary = new();

    private static readonly Refusal Unrecorded = new(
        RefusalCode.AuditUnavailable, "The broker cannot write its audit, and it gives no answer that is not recorded. Try again shortly.", TimeSpan.FromSeconds(5));
    internal const string NotJson = "This address takes JSON: send Content-Type: application/json.";
    internal const string TooSlow = "The body arrived too slowly. Send it without pauses.";
    internal const string TooLong = "The body is longer than the broker accepts (Broker:Limits:MaxBodyBytes).";
    internal const string NotBound = "A value in the address, or the body, is not of the kind that is taken there. GET /openapi/v1.json says what is.";

    internal const string NotListed = "This address is for viewers, operators or admins. Whoever runs the broker can add you under Broker:Identity.";

    /// <summary>Writes a refusal into the audit, then to the caller.</summary>
    public async Task RefuseAsync(HttpContext context, AuditAction action, Caller? caller, string? role, Refusal refusal, int? status = null)
    {
        var (told, isLogged) = await RecordAsync(context, action, caller, role, refusal, status ?? RefusalStatus.Of(refusal.Code).Status);
        await RefusalWriter.WriteAsync(context, told, told.Code == refusal.Code ? status : null, isLogged);
    }

    /// <summary>Writes a refusal that is answered with a page into the audit, and a line of it into the log.</summary>
    /// <returns>What to tell the caller: another refusal where this one cannot be recorded.</returns>
    public async Task<Refusal> RecordRefusalAsync(HttpContext context, AuditAction action, Caller? caller, string? role, Refusal refusal, int status)
    {
        var (told, isLogged) = await RecordAsync(context, action, caller, role, refusal, status);
        if (isLogged) RefusalWriter.Say(context, told, role, ShownPath.Of(context.Request));
        return told;
    }

    /// <summary>Records an action in the audit, as done or as ordered. False when that failed; the request has then been refused.</summary>
    public async Task<bool> RecordAsync(HttpContext context, AuditAction action, Caller caller, string? role, string detail, AuditOutcome outcome = AuditOutcome.Granted)
    {
        try
        {
            await audit.WriteAsync(RecordOf(context, action, outcome, caller, detail, outcome == AuditOutcome.Granted ? StatusCodes.Status200OK : null) with { Role = role }, context.RequestAborted);
            return true;
        }
        catch (AuditUnavailableException)
        {
            await RefusalWriter.WriteAsync(context, Unrecorded);
            return false;
        }
    }

    /// <summary>Refuses a request without a proven caller.</summary>
    public Task RefuseUnprovenAsync(HttpContext context, ProofFailure failure, AuditAction action, string? role)
    {
        CountUnproven(context);
        return RefuseAsync(context, action, null, role, failure.Refusal());
    }

    // Those of the two APIs alone, as the requests that they are a part of: a scraper without a token says nothing of pods.
    private static void CountUnproven(HttpContext context)
    {
        if (context.Request.Path.StartsWithSegments("/api") || context.Request.Path.StartsWithSegments("/v1")) context.RequestServices.GetService<BrokerMetrics>()?.Unproven();
    }

    // The answer stays the one that sends to sign in.
    private async Task RecordUnprovenAsync(HttpContext context, ProofFailure failure)
    {
        CountUnproven(context);
        await RecordRefusalAsync(context, AuditAction.Authenticate, null, null, failure.Refusal(), context.Response.StatusCode);
    }

    /// <inheritdoc/>
    public async Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        await Ordinary.HandleAsync(next, context, policy, authorizeResult);
        if (authorizeResult.Succeeded) return;
        var failure = context.GetProof()?.Failure ?? ProofFailure.NoToken;
        if (authorizeResult.Challenged && context.IsPageForPeople())
        {
            // A person who is not signed in is sent to sign in. Who only looks and shows nothing has requested nothing yet.
            if (failure is not ProofFailure.NoToken || !HttpMethods.IsGet(context.Request.Method)) await RecordUnprovenAsync(context, failure);
        }
        else if (authorizeResult.Challenged)
            await RefuseUnprovenAsync(context, failure, AuditAction.Authenticate, null);
        else
            await RefuseAsync(context, AuditAction.Authenticate, context.GetProof()?.Caller, null, new(RefusalCode.NotAllowed, NotListed));
    }

    /// <summary>
    /// Wraps everything: HTTP's own errors become problems too, an unreachable ledger is reported, and a fault in the
    /// broker is logged and answered without internal details.
    /// </summary>
    public async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        SecurityHeaders.Put(context);
        try
        {
            await next(context);
            if (!context.Response.HasStarted && context.Response is { StatusCode: 400 or 404 or 405 or 415, ContentType: null } response)
                await RefuseAsync(context, AuditAction.Authenticate, context.GetProof()?.Caller, null, Misaddressed(context), response.StatusCode);
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            // A body that is too long or too slow is found while it is read.
            await RefuseAsync(context, AuditAction.Authenticate, context.GetProof()?.Caller, null, Unreadable(e), e.StatusCode);
        }
        catch (LedgerException) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, AuditAction.Read, context.GetProof()?.Caller, null,
                new(RefusalCode.LedgerUnavailable, "The broker's ledger does not answer. Try again shortly.", TimeSpan.FromSeconds(1)));
        }
        catch (Exception e) when (context.Left(e))
        {
            // The caller left. In case it is still there, it must not take an empty answer for an unrecorded success.
            context.Abort();
        }
        catch (Exception e)
        {
            if (await RecordFaultAsync(context, e)) log.Fault(context.Request.Method, RefusalWriter.Short(ShownPath.Of(context.Request)), e);
            if (context.Response.HasStarted)
            {
                // A client that reads half an answer must not take it for a whole one.
                context.Abort();
                return;
            }

            context.Response.Clear();
            await Results.Problem(
                title: "A fault in the broker",
                detail: "The fault is logged under this trace id. Trying again is safe.",
                statusCode: 500,
                extensions: new Dictionary<string, object?> { ["traceId"] = context.TraceId() }).ExecuteAsync(context);
        }
    }

    /// <summary>
    /// A fault is an outcome like any other (law L7); if it cannot be recorded, it is in the log. The exception's message may contain anything, so it is not
    /// recorded.
    /// </summary>
    /// <returns>Whether to log it: not where it is only counted, because a caller can bring it about as fast as the network allows (law L15).</returns>
    internal async Task<bool> RecordFaultAsync(HttpContext context, Exception fault)
    {
        var caller = context.GetProof()?.Caller;
        var path = RefusalWriter.Short(ShownPath.Of(context.Request));
        var record = RecordOf(context, AuditAction.Authenticate, AuditOutcome.Failed, caller, $"{What(context)}: a fault in the broker ({fault.GetType().Name})", StatusCodes.Status500InternalServerError);
        if (caller is null) return await unproven.WriteAsync(record, AddressName.Of(context.Connection.RemoteIpAddress), CancellationToken.None);
        try
        {
            return await audit.WriteAsync(record, CancellationToken.None);
        }
        catch (AuditUnavailableException e)
        {
            if (!UnrecordedLines.Has(context)) return false;
            log.Fault(context.Request.Method, path, e);
            return true;
        }
    }

    private static string What(HttpContext context) => $"{context.Request.Method} {ShownPath.Of(context.Request)}";

    private AuditRecord RecordOf(HttpContext context, AuditAction action, AuditOutcome outcome, Caller? caller, string detail, int? status) => new()
    {
        Time = time.GetUtcNow(),
        Action = action,
        Outcome = outcome,
        CallerIssuer = caller?.Issuer,
        CallerSubject = caller?.Subject,
        CallerPodUid = caller?.PodUid,
        CallerSession = caller?.Session,
        CallerProof = caller?.ProofHash ?? context.SentProofHash(hasher),
        Detail = detail,
        TraceId = context.TraceId(),
        ClientAddress = context.Connection.RemoteIpAddress?.ToString(),
        HttpStatus = status,
    };

    // What to tell the caller, and whether to log it.
    private async Task<(Refusal Told, bool IsLogged)> RecordAsync(HttpContext context, AuditAction action, Caller? caller, string? role, Refusal refusal, int status)
    {
        var record = RecordOf(context, action, AuditOutcome.Refused, caller, $"{What(context)}: {refusal.Detail}", status) with { Role = role, Refusal = refusal.Code };
        // Anybody can send unproven requests as fast as the network allows, so they must not fill the audit or the log.
        if (caller is null) return (refusal, await unproven.WriteAsync(record, AddressName.Of(context.Connection.RemoteIpAddress), context.RequestAborted));
        try
        {
            return (refusal, await audit.WriteAsync(record, context.RequestAborted));
        }
        catch (AuditUnavailableException)
        {
            return (Unrecorded, true);
        }
    }

    private static Refusal Misaddressed(HttpContext context) => new(
        RefusalCode.InvalidRequest,
        context.Response.StatusCode switch
        {
            400 => NotBound,
            405 => $"This address does not take {context.Request.Method}; it takes {context.Response.Headers.Allow}.",
            415 => NotJson,
            _ => "There is nothing at this address. GET /openapi/v1.json lists the API's addresses.",
        });

    private static Refusal Unreadable(BadHttpRequestException e) => new(
        RefusalCode.InvalidRequest,
        e.StatusCode switch
        {
            408 => TooSlow,
            413 => TooLong,
            _ => e.Message,
        });
}
