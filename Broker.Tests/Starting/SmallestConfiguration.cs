using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace Broker.Tests.Starting;

/// <summary>As little configuration as a broker becomes ready with: one database, one role, one issuer of tokens, nothing that outlives it.</summary>
internal static class SmallestConfiguration
{
    /// <summary>A set of one key, the public one of RFC 7517, A.1.</summary>
    public const string KeySet =
        """{ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" }] }""";

    /// <summary>A section <c>Broker</c> that keeps its files in a directory.</summary>
    public static JsonObject Of(LocalPostgres postgres, string directory)
    {
        var keySet = Path.Combine(directory, "jwks.json");
        File.WriteAllText(keySet, KeySet);
        return new()
        {
            ["Audit"] = new JsonObject { ["Path"] = Path.Combine(directory, "audit.jsonl") },
            ["Issuers"] = new JsonObject { ["here"] = new JsonObject { ["Kind"] = "BuiltIn" } },
            ["Databases"] = new JsonObject { ["orders"] = BrokerConfiguration.Database("PostgreSql", postgres) },
            ["Roles"] = new JsonObject
            {
                ["orders-api"] = new JsonObject
                {
                    ["Database"] = "orders",
                    ["Issuer"] = "here",
                    ["CreationStatements"] = new JsonArray("CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
                    ["Allow"] = new JsonArray(new JsonObject { ["Issuer"] = "kubernetes", ["Claims"] = new JsonObject { ["namespace"] = "orders", ["serviceaccount"] = "orders-api" } }),
                },
            },
            ["Identity"] = new JsonObject
            {
                ["Issuers"] = new JsonObject { ["kubernetes"] = new JsonObject { ["Issuer"] = "https://kubernetes.test", ["JwksFile"] = keySet, ["Audience"] = "broker" } },
            },
        };
    }
}
