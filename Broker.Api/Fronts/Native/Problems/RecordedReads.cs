using Broker.Api.Authentication;
using Broker.Core.Audit;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>Records reads of leases, holders and leftovers in the audit before the answer leaves (law L7).</summary>
internal static class RecordedReads
{
    /// <summary>Records each read of these addresses; refuses a read that cannot be recorded.</summary>
    public static TBuilder RecordReads<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(static async (invocation, next) =>
        {
            var context = invocation.HttpContext;
            var guard = context.RequestServices.GetRequiredService<RequestGuard>();
            var request = context.Request;
            return await guard.RecordAsync(context, AuditAction.Read, context.ProvenCaller(), null, $"{request.Method} {ShownPath.WithQuery(request)}")
                ? await next(invocation)
                : Results.Empty;
        });
}
