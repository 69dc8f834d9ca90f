using System.Security.Cryptography;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>The <c>auth</c> of a login or of a token's renewal (recordings, 4 and 7).</summary>
internal static class TokenReply
{
    public static string NewAccessor() => RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 24);

    public static VaultReply Of(LiveToken live, string text, TimeSpan? asked = null, string? warning = null, TimeSpan? most = null) => new()
    {
        Accessor = live.Token.Accessor,
        Warnings = asked is { } wanted ? [Capped(wanted, most ?? live.Token.MaxTtl ?? live.EndsIn)] : warning is not null ? [warning] : [],
        Auth = json =>
        {
            var token = live.Token;
            json.WriteString("client_token", text);
            json.WriteString("accessor", token.Accessor);
            json.WriteTexts("policies", token.Policies);
            json.WriteTexts("token_policies", token.Policies);
            json.WriteTexts("metadata", token.Metadata);
            json.WriteNumber("lease_duration", (long)Math.Round(live.EndsIn.TotalSeconds));
            json.WriteBoolean("renewable", token.Renewable);
            json.WriteString("entity_id", token.EntityId);
            json.WriteString("token_type", "service");
            json.WriteBoolean("orphan", token.Parent is null);
            json.WriteNull("mfa_requirement");
            json.WriteNumber("num_uses", 0);
        },
    };

    /// <summary>Vault's message for a time shorter than requested (recordings, 25).</summary>
    public static string Capped(TimeSpan asked, TimeSpan most) =>
        $"TTL of \"{GoDuration.Format(asked)}\" exceeded the effective max_ttl of \"{GoDuration.Format(most)}\"; TTL value is capped accordingly";
}
