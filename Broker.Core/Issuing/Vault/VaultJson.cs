using System.Text.Json;
using System.Text.Json.Serialization;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>What every answer of Vault may hold; a key that is missing and one that is null mean the same.</summary>
internal sealed record VaultEnvelope(
    string? LeaseId,
    bool? Renewable,
    long? LeaseDuration,
    JsonElement? Data,
    JsonElement? WrapInfo,
    IReadOnlyList<string>? Warnings,
    VaultAuthBody? Auth,
    IReadOnlyList<string>? Errors)
{
    public TimeSpan Duration => TimeSpan.FromSeconds(Math.Clamp(LeaseDuration ?? 0, 0, VaultJson.LongestSeconds));

    public string? Warning => Warnings is { Count: > 0 } ? VaultErrorText.Clean(Warnings) : null;
}

/// <summary>The <c>auth</c> of a login or token renewal.</summary>
internal sealed record VaultAuthBody(string? ClientToken, long? LeaseDuration, bool? Renewable);

/// <summary>The <c>data</c> of freshly issued credentials.</summary>
internal sealed record VaultCredentialsBody(string? Username, string? Password);

/// <summary>The <c>data</c> of a lease's description.</summary>
internal sealed record VaultLeaseBody(DateTimeOffset? IssueTime, long? Ttl, bool? Renewable);

/// <summary>The <c>data</c> of a token's description.</summary>
internal sealed record VaultTokenBody(
    long? CreationTime,
    long? CreationTtl,
    DateTimeOffset? ExpireTime,
    DateTimeOffset? IssueTime,
    long? ExplicitMaxTtl,
    long? Period,
    bool? Renewable,
    long? Ttl,
    string? Type)
{
    public VaultToken Describe(Secret token)
    {
        var ttl = Ttl ?? 0;
        var endless = ttl == 0 && ExpireTime is null; // a root token
        var issued = IssueTime ?? DateTimeOffset.FromUnixTimeSeconds(CreationTime ?? 0);
        TimeSpan? left = endless ? null : Seconds(ttl);
        var renewable = Renewable == true && Type != "batch";
        return new VaultToken
        {
            Value = token,
            IssuedAt = issued,
            TimeLeft = left,
            FullTtl = Seconds(Period is > 0 ? Period.Value : CreationTtl ?? ttl),
            Renewable = renewable,
            Horizon = !(renewable && Period is > 0) ? left
                : ExplicitMaxTtl is > 0 && ExpireTime is { } end ? left + Seconds(ExplicitMaxTtl.Value) - (end - issued)
                : null,
        };
    }

    private static TimeSpan Seconds(long seconds) => TimeSpan.FromSeconds(Math.Clamp(seconds, 0, VaultJson.LongestSeconds));
}

/// <summary>The <c>data</c> of a list.</summary>
internal sealed record VaultKeysBody(IReadOnlyList<string>? Keys);

/// <summary>The body of <c>sys/health</c>; its status says the rest.</summary>
internal sealed record VaultHealthBody(string? Version);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(VaultEnvelope))]
[JsonSerializable(typeof(VaultCredentialsBody))]
[JsonSerializable(typeof(VaultLeaseBody))]
[JsonSerializable(typeof(VaultTokenBody))]
[JsonSerializable(typeof(VaultKeysBody))]
[JsonSerializable(typeof(VaultHealthBody))]
internal sealed partial class VaultJson : JsonSerializerContext
{
    /// <summary>A hundred years: longer times are answered as this, so that no sum with them overflows.</summary>
    public const long LongestSeconds = 100L * 365 * 24 * 3600;
}
