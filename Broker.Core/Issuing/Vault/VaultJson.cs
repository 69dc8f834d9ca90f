using System.Text.Json;
using System.Text.Json.Serialization;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>What every answer of Vault may contain; a missing key and a null key mean the same.</summary>
internal sealed record VaultEnvelope(
    string? LeaseId,
    bool? Renewable,
    long? LeaseDuration,
    JsonElement? Data,
    JsonElement? WrapInfo,
    IReadOnlyList<string?>? Warnings,
    VaultAuthBody? Auth,
    IReadOnlyList<string?>? Errors)
{
    public TimeSpan Duration => TimeSpan.FromSeconds(Math.Clamp(LeaseDuration ?? 0, 0, VaultJson.LongestSeconds));

    public string? Warning => Warnings is { Count: > 0 } ? VaultErrorText.Clean(Warnings) : null;
}

/// <summary>The <c>auth</c> of a login or token renewal.</summary>
internal sealed record VaultAuthBody(string? ClientToken, long? LeaseDuration, bool? Renewable, long? NumUses = null);

/// <summary>What a token got when the most time was requested.</summary>
/// <param name="Duration">The time it has left now.</param>
/// <param name="GivesAll">Whether that is all that it will ever get, so that no renewal moves its end. False when it is periodic.</param>
internal sealed record VaultTokenRenewal(TimeSpan Duration, bool GivesAll)
{
    // "TTL of …" appears when a token's final end shortens the requested time. A period that is longer than the mount allows is shortened too,
    // each time again: "period of …".
    public static VaultTokenRenewal From(VaultEnvelope envelope)
    {
        var given = TimeSpan.FromSeconds(Math.Clamp(envelope.Auth!.LeaseDuration!.Value, 0, VaultJson.LongestSeconds));
        var cut = envelope.Warnings?.Any(warning =>
            warning is not null && warning.Contains("exceeded the effective max_ttl", StringComparison.Ordinal) && !warning.Contains("period of", StringComparison.Ordinal)) == true;
        return new VaultTokenRenewal(given, cut || given.TotalSeconds >= VaultJson.LongestSeconds);
    }
}

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
    string? Type,
    long? NumUses = null)
{
    /// <summary>Whether renewing it can give it more time; a root token has no end and needs none.</summary>
    public bool CanBeRenewed => Renewable == true && Type != "batch" && !IsEndless;

    private bool IsEndless => Ttl is null or 0 && ExpireTime is null;

    /// <summary>The token, by its own description and its renewal; null: it was not, or could not be, renewed.</summary>
    public VaultToken Describe(Secret token, VaultTokenRenewal? renewal)
    {
        var ttl = Ttl ?? 0;
        var issued = IssueTime ?? DateTimeOffset.UnixEpoch + Seconds(CreationTime ?? 0);
        TimeSpan? left = IsEndless ? null : Seconds(ttl);
        TimeSpan? untilExplicitEnd = ExplicitMaxTtl is > 0 && ExpireTime is { } end ? left + Seconds(ExplicitMaxTtl.Value) - (end - issued) : null;
        return new VaultToken
        {
            Value = token,
            IssuedAt = issued,
            TimeLeft = renewal?.Duration ?? left,
            FullTtl = renewal is { GivesAll: false } ? renewal.Duration : Seconds(Math.Max(CreationTtl ?? ttl, (long)(renewal?.Duration.TotalSeconds ?? 0))),
            Renewable = renewal is not null,
            Horizon = renewal is null ? left : renewal.GivesAll ? renewal.Duration : untilExplicitEnd,
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
    /// <summary>A hundred years: longer times count as this, so that no sum with them overflows.</summary>
    public const long LongestSeconds = 100L * 365 * 24 * 3600;
}
