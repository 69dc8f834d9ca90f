using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Api.Health;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>The questions that clients and people ask before everything else: <c>sys/health</c> and its relatives.</summary>
internal sealed class SystemEndpoints(ICatalog catalog, Readiness readiness, VaultRequests requests, PassThrough passing, ShadowReads shadow, TimeProvider time) : IVaultEndpoints
{
    // The version that the answers are like; clients choose their paths by it.
    internal const string Version = "1.14.0";
    private const string Auth = "auth/";
    private const string ClusterName = "broker";
    private const string MountsPath = "sys/internal/ui/mounts";
    private const string ClusterId = "b70c3a2e-6272-6f6b-6572-000000000000";

    private bool IsSealed => readiness.Missing is not null;

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        switch (call.Path)
        {
            case "sys/health":
                if (!HttpMethods.IsHead(call.Context.Request.Method)) MustGet(call);
                return Health(call.Context.Request);
            case "sys/seal-status":
                MustGet(call);
                return SealStatus();
            case "sys/init":
                if (call.Operation is VaultOperation.Update) throw VaultError.Bad("Vault is already initialized");
                MustGet(call);
                return new VaultReply { Whole = json => json.WriteBoolean("initialized", true) };
            case "sys/leader":
                MustGet(call);
                return Leader();
            case MountsPath:
                call.Must(VaultOperation.Read);
                return await MountsAsync(call, call.TokenText is null ? null : await requests.ClientOfAsync(call, strictly: false));
            case PassThrough.Capabilities:
                call.Must(VaultOperation.Update);
                return await CapabilitiesAsync(call, await requests.ClientOfAsync(call, strictly: false));
        }

        if (call.After(MountsPath + "/") is { } path)
        {
            call.Must(VaultOperation.Read);
            await requests.ClientOfAsync(call, strictly: false);
            return Mount(path.TrimEnd('/'), call.Namespace);
        }

        // The rest of these paths is for Vault's own operators.
        if (!call.Path.StartsWith("sys/", StringComparison.Ordinal) && !call.Path.StartsWith("auth/", StringComparison.Ordinal)
            && !call.Path.StartsWith("identity/", StringComparison.Ordinal) && !call.Path.StartsWith("cubbyhole/", StringComparison.Ordinal)) return null;
        await requests.ClientOfAsync(call, strictly: false);
        throw VaultError.PermissionDenied();
    }

    // These are not paths of an engine, and have less to say about verbs.
    private static void MustGet(VaultCall call)
    {
        if (!HttpMethods.IsGet(call.Context.Request.Method)) throw VaultError.NoSuchMethod();
    }

    // The order of the checks, the codes and their overrides: OpenBao http/sys_health.go@3c07df6b. Never 429 for load.
    private VaultReply Health(HttpRequest request)
    {
        foreach (var name in new[] { "standbyok", "perfstandbyok" })
        {
            if (!GoFlag.TryParse(request.Query[name].FirstOrDefault() ?? "", out _)) throw new VaultError(400);
        }

        var (active, sealedCode) = (CodeOf(request, "activecode", 200), CodeOf(request, "sealedcode", 503));
        foreach (var name in new[] { "standbycode", "drsecondarycode", "performancestandbycode", "uninitcode" }) CodeOf(request, name, 0);
        var isSealed = IsSealed;

        // Who chooses its own status would choose a label of the metrics, which have room for so many.
        var status = isSealed ? sealedCode : active;
        if (status is not (200 or 503) && request.HttpContext.Features.Get<IHttpMetricsTagsFeature>() is { } metrics) metrics.MetricsDisabled = true;
        return new VaultReply
        {
            Status = status,
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
        request.Query[name].FirstOrDefault() is not { } text ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && code is >= 200 and <= 999 ? code
        : throw new VaultError(400);

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

    // A caller without a token learns of no mount, because Vault lists only mounts that are made public. Of the Vault behind's those are listed of which something passes.
    private async ValueTask<VaultReply> MountsAsync(VaultCall call, VaultClient? client)
    {
        var settings = client is null ? new() : catalog.Current.VaultApi;
        var behind = client is not null && passing.PassesAnyOf("") ? await passing.DataOfAsync(call, client, HttpMethod.Get, MountsPath, null) : null;
        return new()
        {
            Data = json =>
            {
                json.WriteStartObject("auth");
                foreach (var mount in settings.AuthMounts.Values) WriteListed(json, mount.Name, MountEntry.TypeOf(mount));
                json.WriteEndObject();
                json.WriteStartObject("secret");
                foreach (var mount in settings.SecretMounts.Values) WriteListed(json, mount.Name, MountEntry.Database);
                if (behind is { } data && data.TryGetProperty("secret", out var secret) && secret.ValueKind == JsonValueKind.Object)
                {
                    foreach (var mount in secret.EnumerateObject().Where(mount => passing.PassesAnyOf(mount.Name.TrimEnd('/')) && !settings.SecretMounts.ContainsKey(mount.Name.TrimEnd('/')))) mount.WriteTo(json);
                }

                json.WriteEndObject();
            },
        };
    }

    private static void WriteListed(Utf8JsonWriter json, string name, string type)
    {
        json.WriteStartObject(name + "/");
        MountEntry.Write(json, name, type);
        json.WriteEndObject();
    }

    // The command line's question before "vault kv" (recordings, 9). A 404 would look like an old Vault.
    private VaultReply Mount(string path, string? space)
    {
        var settings = catalog.Current.VaultApi;
        if (path.Length == 0) throw VaultError.Bad("path not set");
        var inner = PathInNamespace.Split(settings, space, path + "/");
        var (name, type, shown) = settings.MountOf(inner.Space, inner.Path) is var (mount, _) ? (mount.Name, MountEntry.Database, Within(inner.Space, mount.Name))
            : AuthMountOf(settings, inner) is { } auth ? (auth.Name, MountEntry.TypeOf(auth), Within(inner.Space, auth.Name))
            : throw new VaultError(403, $"preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\"");
        var before = (path + "/")[..^inner.Path.Length];
        return new()
        {
            Data = json =>
            {
                MountEntry.Write(json, name, type);
                json.WriteString("path", $"{before}{shown}/"); // as seen from the namespace that is asked in (OpenBao vault/logical_system.go pathInternalUIMountRead)
            },
        };
    }

    // The name that a mount has in its namespace.
    private static string Within(string? space, string name) => space is not null && name.StartsWith(space + "/", StringComparison.Ordinal) ? name[(space.Length + 1)..] : name;

    // One that is configured with the namespace goes before one that is in all; of two the longer is meant.
    private static AuthMount? AuthMountOf(VaultApiSettings settings, PathInNamespace inner)
    {
        if (!inner.Path.StartsWith(Auth, StringComparison.Ordinal)) return null;
        var rest = inner.Path[Auth.Length..];
        return (inner.Space is null ? null : Longest($"{inner.Space}/{rest}")) ?? Longest(rest);

        AuthMount? Longest(string below) => settings.AuthMounts.Values.Where(known => below.StartsWith(known.Name + "/", StringComparison.Ordinal) && known.Name.Length >= below.Length - rest.Length).MaxBy(known => known.Name.Length);
    }

    private async ValueTask<VaultReply> CapabilitiesAsync(VaultCall call, VaultClient client)
    {
        var (several, one) = (call.Body.Texts("paths"), call.Body.Texts("path"));
        call.Body.Text("token"); // the command line sends its own
        var paths = several.Count > 0 ? several : one;
        if (paths.Count == 0) throw VaultError.Bad("paths must be supplied");

        // Of what passes, the Vault behind knows what this client may do.
        var passed = paths.Where(path => Passes(call.Namespace, path.Trim('/'))).ToList();
        var behind = passed.Count == 0 ? null : await passing.DataOfAsync(call, client, HttpMethod.Post, PassThrough.Capabilities, new() { ["paths"] = new JsonArray([.. passed.Select(path => JsonValue.Create(path))]) });
        return new()
        {
            DataOnTopToo = true,
            Data = json =>
            {
                foreach (var path in paths.Distinct(StringComparer.Ordinal)) json.WriteTexts(path, Of(path));
                if (paths.Count == 1) json.WriteTexts("capabilities", Of(paths[0]));
            },
        };

        IEnumerable<string> Of(string path) =>
            !passed.Contains(path) ? CapabilitiesOf(path.Trim('/'), call.Namespace, client.Caller)
            : behind is { } data && data.TryGetProperty(path, out var known) && known.ValueKind == JsonValueKind.Array ? known.EnumerateArray().Select(static one => one.ToString())
            : ["deny"];
    }

    private bool Passes(string? outer, string whole)
    {
        var (space, path) = PathInNamespace.Split(catalog.Current.VaultApi, outer, whole);
        return passing.Covers(path) || shadow.Covers(space, path);
    }

    private string[] CapabilitiesOf(string whole, string? outer, Caller caller)
    {
        var current = catalog.Current;
        var (space, path) = PathInNamespace.Split(current.VaultApi, outer, whole);
        if (current.VaultApi.MountOf(space, path) is var (mount, rest))
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
            "auth/token/create" or "auth/token/lookup" or "auth/token/renew" or "auth/token/revoke" or "auth/token/renew-self" or "auth/token/revoke-self" or "sys/capabilities-self" or "sys/leases/renew" or "sys/leases/revoke" or "sys/leases/lookup"
                or "sys/renew" or "sys/revoke" or "sys/wrapping/wrap" or "sys/wrapping/unwrap" or "sys/wrapping/lookup" or "sys/wrapping/rewrap" => ["update"],
            _ => ["deny"],
        };
    }
}
