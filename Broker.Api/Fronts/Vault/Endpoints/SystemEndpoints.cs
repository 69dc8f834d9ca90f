using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Api.Health;
using Broker.Core.Catalog;
using Broker.Core.Identity;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>What clients and people ask before and beside all else: <c>sys/health</c> and its kin.</summary>
internal sealed class SystemEndpoints(ICatalog catalog, Readiness readiness, VaultRequests requests, TimeProvider time) : IVaultEndpoints
{
    // What the answers are like; clients choose their paths by it.
    private const string Version = "1.14.0";
    private const string ClusterName = "broker";
    private const string MountsPath = "sys/internal/ui/mounts";
    private const string ClusterId = "b70c3a2e-6272-6f6b-6572-000000000000";

    private bool IsSealed => readiness.Missing is not null;

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        switch (call.Path)
        {
            case "sys/health":
                call.Must(VaultOperation.Read);
                return Health(call.Context.Request);
            case "sys/seal-status":
                call.Must(VaultOperation.Read);
                return SealStatus();
            case "sys/init":
                call.Must(VaultOperation.Read);
                return new VaultReply { Whole = json => json.WriteBoolean("initialized", true) };
            case "sys/leader":
                call.Must(VaultOperation.Read);
                return Leader();
            case MountsPath:
                call.Must(VaultOperation.Read);
                return Mounts(call.TokenText is null ? null : await requests.ClientOfAsync(call, strictly: false));
            case "sys/capabilities-self":
                call.Must(VaultOperation.Update);
                return Capabilities(call, await requests.ClientOfAsync(call, strictly: false));
        }

        if (call.After(MountsPath + "/") is { } path)
        {
            call.Must(VaultOperation.Read);
            await requests.ClientOfAsync(call, strictly: false);
            return Mount(path);
        }

        // The rest of these is for Vault's own operators.
        if (!call.Path.StartsWith("sys/", StringComparison.Ordinal) && !call.Path.StartsWith("auth/", StringComparison.Ordinal)
            && !call.Path.StartsWith("identity/", StringComparison.Ordinal) && !call.Path.StartsWith("cubbyhole/", StringComparison.Ordinal)) return null;
        await requests.ClientOfAsync(call, strictly: false);
        throw VaultError.PermissionDenied();
    }

    // The order of the checks, the codes and their overrides: OpenBao http/sys_health.go@3c07df6b. Never 429 for load.
    private VaultReply Health(HttpRequest request)
    {
        var (active, sealedCode) = (CodeOf(request, "activecode", 200), CodeOf(request, "sealedcode", 503));
        foreach (var name in new[] { "standbycode", "drsecondarycode", "performancestandbycode", "uninitcode" }) CodeOf(request, name, 0);
        var isSealed = IsSealed;
        return new VaultReply
        {
            Status = isSealed ? sealedCode : active,
            Whole = json =>
            {
                json.WriteBoolean("initialized", true);
                json.WriteBoolean("sealed", isSealed);
                json.WriteBoolean("standby", isSealed);
                json.WriteBoolean("performance_standby", false);
                json.WriteString("replication_performance_mode", isSealed ? "unknown" : "disabled");
                json.WriteString("replication_dr_mode", isSealed ? "unknown" : "disabled");
                json.WriteNumber("server_time_utc", time.GetUtcNow().ToUnixTimeSeconds());
                json.WriteString("version", Version);
                if (isSealed) return;
                json.WriteString("cluster_name", ClusterName);
                json.WriteString("cluster_id", ClusterId);
            },
        };
    }

    private static int CodeOf(HttpRequest request, string name, int otherwise) =>
        request.Query[name].FirstOrDefault() is not { Length: > 0 } text ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && code is >= 200 and <= 599 ? code
        : throw VaultError.Bad($"bad value for {name}: {text}");

    private VaultReply SealStatus()
    {
        var isSealed = IsSealed;
        return new()
        {
            Whole = json =>
            {
                json.WriteString("type", "shamir");
                json.WriteBoolean("initialized", true);
                json.WriteBoolean("sealed", isSealed);
                json.WriteNumber("t", 1);
                json.WriteNumber("n", 1);
                json.WriteNumber("progress", 0);
                json.WriteString("nonce", "");
                json.WriteString("version", Version);
                json.WriteString("build_date", "");
                json.WriteBoolean("migration", false);
                if (!isSealed)
                {
                    json.WriteString("cluster_name", ClusterName);
                    json.WriteString("cluster_id", ClusterId);
                }

                json.WriteBoolean("recovery_seal", false);
                json.WriteString("storage_type", "ledger");
            },
        };
    }

    private static VaultReply Leader() => new()
    {
        Whole = json =>
        {
            json.WriteBoolean("ha_enabled", false);
            json.WriteBoolean("is_self", false);
            json.WriteString("active_time", "0001-01-01T00:00:00Z");
            json.WriteString("leader_address", "");
            json.WriteString("leader_cluster_address", "");
        },
    };

    // Who shows no token is told of no mount, as Vault tells of none that is not made public.
    private VaultReply Mounts(VaultClient? client)
    {
        var settings = client is null ? new() : catalog.Current.VaultApi;
        return new()
        {
            Data = json =>
            {
                json.WriteStartObject("auth");
                foreach (var mount in settings.AuthMounts.Values) WriteListed(json, mount.Name, mount.Type.ToString().ToLowerInvariant());
                json.WriteEndObject();
                json.WriteStartObject("secret");
                foreach (var mount in settings.SecretMounts.Values) WriteListed(json, mount.Name, "database");
                json.WriteEndObject();
            },
        };
    }

    private static void WriteListed(Utf8JsonWriter json, string name, string type)
    {
        json.WriteStartObject(name + "/");
        json.WriteString("description", "");
        json.WriteNull("options");
        json.WriteString("type", type);
        json.WriteEndObject();
    }

    // What the command line asks before "vault kv" (recordings, 9). 404 would be taken for an old Vault.
    private VaultReply Mount(string path)
    {
        if (catalog.Current.VaultApi.MountOf(path + "/") is not var (mount, _))
            throw new VaultError(403, $"preflight capability check returned 403, please ensure client's policies grant access to path \"{path.Split('/')[0]}/\"");
        var id = SHA256.HashData(Encoding.UTF8.GetBytes(mount.Name));
        return new()
        {
            Data = json =>
            {
                json.WriteString("accessor", $"database_{Convert.ToHexStringLower(id.AsSpan(0, 4))}");
                json.WriteStartObject("config");
                json.WriteNumber("default_lease_ttl", 0);
                json.WriteBoolean("force_no_cache", false);
                json.WriteNumber("max_lease_ttl", 0);
                json.WriteEndObject();
                json.WriteString("description", "");
                json.WriteBoolean("external_entropy_access", false);
                json.WriteBoolean("local", false);
                json.WriteNull("options");
                json.WriteString("path", mount.Name + "/");
                json.WriteString("plugin_version", "");
                json.WriteString("running_plugin_version", $"v{Version}+builtin.broker");
                json.WriteString("running_sha256", "");
                json.WriteBoolean("seal_wrap", false);
                json.WriteString("type", "database");
                json.WriteString("uuid", new Guid(id.AsSpan(0, 16)).ToString());
            },
        };
    }

    private VaultReply Capabilities(VaultCall call, VaultClient client)
    {
        var paths = call.Body.Texts("paths") is { Count: > 0 } several ? several : call.Body.Texts("path");
        if (paths.Count == 0) throw VaultError.Bad("paths must be supplied");
        return new()
        {
            DataOnTopToo = true,
            Data = json =>
            {
                foreach (var path in paths) json.WriteTexts(path, CapabilitiesOf(path.Trim('/'), client.Caller));
                if (paths.Count == 1) json.WriteTexts("capabilities", CapabilitiesOf(paths[0].Trim('/'), client.Caller));
            },
        };
    }

    private string[] CapabilitiesOf(string path, Caller caller)
    {
        var current = catalog.Current;
        if (current.VaultApi.MountOf(path) is var (mount, rest))
        {
            if (rest == SecretPaths.StaticRoles) return ["list"];
            foreach (var (prefix, isStatic) in new[] { (SecretPaths.Creds, false), (SecretPaths.StaticCreds, true), (SecretPaths.StaticRoles + "/", true) })
            {
                if (rest.StartsWith(prefix, StringComparison.Ordinal) && mount.RoleOf(rest[prefix.Length..], current) is { } role
                    && current.Roles[role.Role] is var known && known.Static is not null == isStatic && known.MayBeHadBy(caller)) return ["read"];
            }

            return ["deny"];
        }

        return path switch
        {
            "auth/token/lookup-self" => ["read"],
            "auth/token/renew-self" or "auth/token/revoke-self" or "sys/capabilities-self" or "sys/leases/renew" or "sys/leases/revoke" or "sys/leases/lookup"
                or "sys/renew" or "sys/revoke" or "sys/wrapping/unwrap" or "sys/wrapping/lookup" => ["update"],
            _ => ["deny"],
        };
    }
}
