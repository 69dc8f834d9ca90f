using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Problems;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Words;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;

namespace Broker.Api.Credentials;

/// <summary><c>POST /api/v1/roles/{role}/credentials</c>.</summary>
public static class CredentialsApi
{
    private static readonly int[] Refusals = [400, 401, 403, 408, 413, 429, 502, 503];

    /// <summary>
    /// Maps it. Every pod of a rollout comes through here at once, so it is a plain delegate that proves its caller itself:
    /// the middleware's way to the same answer costs a fifth more.
    /// </summary>
    public static void MapCredentials(this IEndpointRouteBuilder app)
    {
        var endpoint = new CredentialsEndpoint(
            app.ServiceProvider.GetRequiredService<ProofGate>(),
            app.ServiceProvider.GetRequiredService<CredentialDesk>(),
            app.ServiceProvider.GetRequiredService<FrontDoor>());
        RequestDelegate answer = endpoint.AnswerAsync;
        app.MapPost("/api/v1/roles/{role}/credentials", answer)
            .AllowAnonymous()
            .WithName("ClaimCredentials")
            .WithTags("Credentials")
            .WithSummary("Claim connections and a login of a role.")
            .WithMetadata(
                answer.Method, // what the API's description is made from
                new AcceptsMetadata(["application/json"], typeof(CredentialsRequest), isOptional: true),
                new ProducesResponseTypeMetadata(200, typeof(GrantShape), ["application/json"]))
            .WithMetadata([.. Refusals.Select(status => new ProducesResponseTypeMetadata(status, typeof(ProblemDetails), [RefusalWriter.ContentType]))]);
    }

    private sealed class CredentialsEndpoint(ProofGate gate, CredentialDesk desk, FrontDoor door)
    {
        public async Task AnswerAsync(HttpContext context)
        {
            var role = (string)context.Request.RouteValues["role"]!;
            var proof = await gate.ProveAsync(context, context.Request.BearerToken());
            if (proof.Caller is not { } caller)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await door.RefuseUnprovenAsync(context, proof.Failure!.Value, AuditAction.Claim, role);
                return;
            }

            context.SetProof(proof);
            var (request, mistake) = await CredentialsBody.ReadAsync(context.Request, context.RequestAborted);
            if (request is null)
            {
                await door.RefuseAsync(context, AuditAction.Claim, caller, role, new(RefusalCode.InvalidRequest, mistake!));
                return;
            }

            var wait = PreferWait.Of(context.Request);
            var outcome = await desk.ClaimAsync(
                new(caller, role, request.Holder, request.Connections, request.MinConnections, wait,
                    new(RefusalWriter.TraceOf(context), context.Connection.RemoteIpAddress?.ToString())),
                context.RequestAborted);
            if (wait is { } seconds)
                context.Response.Headers["Preference-Applied"] = "wait=" + seconds.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            await (outcome.Grant is { } grant ? GrantWriter.WriteAsync(context, grant) : RefusalWriter.WriteAsync(context, outcome.Refusal!));
        }
    }
}
