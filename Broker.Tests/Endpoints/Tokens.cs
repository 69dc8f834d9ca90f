using System.Text.Json.Nodes;

namespace Broker.Tests.Endpoints;

/// <summary>Claims of tokens that are no pod's.</summary>
internal static class Tokens
{
    /// <summary>What a good token of a subject without a pod says, for an hour.</summary>
    public static async Task<JsonObject> ClaimsAsync(RunningBroker broker, string subject)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return new()
        {
            ["iss"] = (await broker.IdentityAsync()).Issuer,
            ["aud"] = "broker",
            ["sub"] = subject,
            ["jti"] = Guid.NewGuid().ToString(),
            ["iat"] = now,
            ["exp"] = now + 3600,
        };
    }
}
