using System.Globalization;
using System.Reflection;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases.Claims;
using Broker.Core.Model;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;

namespace Broker.Api.Fronts.Native.Credentials;

/// <summary><c>POST /api/v1/roles/{role}/credentials</c>.</summary>
public static class CredentialsApi
{
    private static readonly MethodInfo Described = ((Delegate)Describe).Method;

    /// <summary>
    /// Maps the endpoint. All pods of a rollout call it at the same time, so it is a plain delegate that proves its caller itself, ahead
    /// of the middleware, which would cost a quarter more for the same answer.
    /// </summary>
    public static void MapCredentials(this IEndpointRouteBuilder app)
    {
        var endpoint = new CredentialsEndpoint(
            app.ServiceProvider.GetRequiredService<ProofGate>(),
            app.ServiceProvider.GetRequiredService<CredentialDesk>(),
            app.ServiceProvider.GetRequiredService<RequestGuard>(),
            app.ServiceProvider.GetRequiredService<WaitingSettings>().MaxWait);
        RequestDelegate answer = endpoint.AnswerAsync;
        app.MapPost("/api/v1/roles/{role}/credentials", answer)
            .AllowAnonymous()
            .ShortCircuit()
            .WithName("ClaimCredentials")
            .WithTags("Credentials")
            .WithSummary("Claims connections and a login of a role.")
            .WithMetadata(
                Described, // what the API's description is made from
                new AcceptsMetadata(["application/json"], typeof(CredentialsRequest), isOptional: true),
                new ProducesResponseTypeMetadata(200, typeof(GrantShape), ["application/json"]))
            .WithMetadata([.. Described.GetParameters().Select(parameter => new Parameter(parameter))])
            .WithRefusals(
                RefusalCode.InvalidRequest, new(RefusalCode.InvalidRequest, 408, RequestGuard.TooSlow), new(RefusalCode.InvalidRequest, 413, RequestGuard.TooLong),
                new(RefusalCode.InvalidRequest, 415, RequestGuard.NotJson), RefusalCode.NotAllowed, RefusalCode.HolderInUse, RefusalCode.IssueThrottled, RefusalCode.LoginFailed,
                RefusalCode.BudgetExhausted, RefusalCode.RolePaused, RefusalCode.IssuerUnavailable, RefusalCode.DatabaseUnavailable);
    }

    /// <param name="role">The role.</param>
    /// <param name="prefer">`wait=N`: wait up to N seconds, also in line for connections. The answer's Preference-Applied says how many it was.</param>
    private static void Describe(string role, [FromHeader(Name = "Prefer")] string? prefer) =>
        throw new InvalidOperationException($"Never called: it describes the claim of {role}, {prefer}.");

    private sealed record Parameter(ParameterInfo ParameterInfo) : IParameterBindingMetadata
    {
        public string Name => ParameterInfo.Name!;

        public bool HasTryParse => false;

        public bool HasBindAsync => false;

        public bool IsOptional => ParameterInfo.GetCustomAttribute<FromHeaderAttribute>() is not null;
    }

    private sealed class CredentialsEndpoint(ProofGate gate, CredentialDesk desk, RequestGuard guard, TimeSpan maxWait)
    {
        public async Task AnswerAsync(HttpContext context)
        {
            var role = (string)context.Request.RouteValues["role"]!;
            // Step 1: Prove who asks.
            var proof = await gate.ProveAsync(context, context.Request.BearerToken());
            if (proof.Caller is not { } caller)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await guard.RefuseUnprovenAsync(context, proof.Failure!.Value, AuditAction.Claim, role);
                return;
            }

            context.SetProof(proof);
            // Step 2: Read what is asked for.
            var (request, mistake) = await CredentialsBody.ReadAsync(context.Request, context.RequestAborted);
            if (request is null)
            {
                await guard.RefuseAsync(context, AuditAction.Claim, caller, role, new(RefusalCode.InvalidRequest, mistake!));
                return;
            }

            var wait = PreferWait.Of(context.Request) is { } wanted ? TimeSpan.FromTicks(Math.Min(wanted.Ticks, maxWait.Ticks)) : default(TimeSpan?);
            var outcome = await desk.ClaimAsync(
                new(caller, role, request.Holder, request.Connections, request.MinConnections, wait, context.Origin()),
                context.RequestAborted);
            // Step 14: Answer.
            if (wait is { } seconds)
                context.Response.Headers["Preference-Applied"] = "wait=" + seconds.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            if (outcome.Grant is { } grant) GrantWriter.Write(context.Response, grant);
            else await RefusalWriter.WriteAsync(context, outcome.Refusal!);
        }
    }
}
