using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>The description of a mount for clients that ask for mounts.</summary>
internal static class MountEntry
{
    /// <summary>The type of every secret mount.</summary>
    public const string Database = "database";

    public static string TypeOf(AuthMount mount) => mount.Type.ToString().ToLowerInvariant();

    /// <summary>Everything that Vault says about a mount (recordings, 9).</summary>
    public static void Write(Utf8JsonWriter json, string name, string type)
    {
        var id = SHA256.HashData(Encoding.UTF8.GetBytes(type == Database ? name : $"auth/{name}"));
        json.WriteString("accessor", $"{(type == Database ? type : $"auth_{type}")}_{Convert.ToHexStringLower(id.AsSpan(0, 4))}");
        json.WriteStartObject("config");
        json.WriteNumber("default_lease_ttl", 0);
        json.WriteBoolean("force_no_cache", false);
        json.WriteNumber("max_lease_ttl", 0);
        if (type != Database) json.WriteString("token_type", "default-service");
        json.WriteEndObject();
        json.WriteString("description", "");
        json.WriteBoolean("external_entropy_access", false);
        json.WriteBoolean("local", false);
        json.WriteNull("options");
        json.WriteString("plugin_version", "");
        json.WriteString("running_plugin_version", $"v{SystemEndpoints.Version}+builtin.broker");
        json.WriteString("running_sha256", "");
        json.WriteBoolean("seal_wrap", false);
        json.WriteString("type", type);
        json.WriteString("uuid", new Guid(id.AsSpan(0, 16)).ToString());
    }
}
