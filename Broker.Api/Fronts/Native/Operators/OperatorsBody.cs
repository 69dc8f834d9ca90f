using System.Text.Json.Serialization;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.Operators;

/// <summary>The body of every operator's order.</summary>
/// <param name="Reason">Why, in its own words; 1 to 500 characters. The audit keeps it.</param>
public sealed record OperatorsBody(string? Reason)
{
    private const int Longest = 500;

    internal const string NoReason = "'reason' says why you do this, in 1 to 500 characters; the audit keeps it.";

    /// <summary>What is wrong with a reason; null when nothing is.</summary>
    internal static string? WhyNoReason(string? reason) =>
        string.IsNullOrWhiteSpace(reason) || reason.Length > Longest
            ? NoReason
            : null;

    /// <summary>The reason; null when there is none, and the request has been refused.</summary>
    internal static async ValueTask<string?> ReadReasonAsync(HttpContext context, RequestGuard guard, AuditAction action, string? role)
    {
        var (body, mistake) = await StrictJson.ReadAsync(context.Request, OperatorsJson.Default.OperatorsBody, context.RequestAborted);
        mistake ??= WhyNoReason(body!.Reason);
        if (mistake is null) return body!.Reason;
        await guard.RefuseAsync(context, action, context.ProvenCaller(), role, new(RefusalCode.InvalidRequest, mistake));
        return null;
    }
}

/// <summary>A ceiling as an operator sets it.</summary>
/// <param name="Ceiling">The most connections that may be promised; null restores the configured ceiling.</param>
/// <param name="Reason">Why, in its own words; 1 to 500 characters. The audit keeps it.</param>
public sealed record CeilingBody(int? Ceiling, string? Reason);

[JsonSerializable(typeof(OperatorsBody))]
[JsonSerializable(typeof(CeilingBody))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false)]
internal sealed partial class OperatorsJson : JsonSerializerContext;
