using System.Text.Json;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Handles;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// <c>MOUNT/static-creds/ROLE</c> and <c>MOUNT/static-roles</c>: a password that changes at times known in advance. There is no
/// lease to renew or to give up; a reader is a holder until it should have read again.
/// </summary>
internal sealed class StaticEndpoints(ICatalog catalog, VaultRequests requests, HandleDesk desk, LeaseDesk leases) : IVaultEndpoints
{
    // A caller without a pod is one holder for all its logins: its tokens come and go, and a static password has no lease that would identify it.
    private const string SameForAllTokens = "static";

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        var current = catalog.Current;
        if (current.VaultApi.MountOf(call.Namespace, call.Path) is not var (mount, rest)) return null;
        if (rest == SecretPaths.StaticRoles) return await ListAsync(call, mount, current);
        if (After(rest, SecretPaths.StaticRoles + "/") is { } role) return await DescribeAsync(call, role, mount, current);
        return After(rest, SecretPaths.StaticCreds) is { } name ? await ReadAsync(call, name, mount, current) : null;
    }

    private async ValueTask<VaultReply> ReadAsync(VaultCall call, string name, SecretMount mount, CatalogSnapshot current)
    {
        var client = await requests.ClientOfAsync(call, strictly: true);
        SecretPaths.MustBeName(name, call.Operation);
        call.Must(VaultOperation.Read);
        var (role, users) = StaticOf(name, mount, current) ?? throw VaultError.Bad($"unknown role: {name}");
        var holder = call.Holder ?? (client.Caller.PodUid is null ? SameForAllTokens : null);
        var ask = new Ask(client.Caller, role.Role, holder, call.Connections ?? role.Connections, call.LeastOf(current.Roles[role.Role]), PreferWait.Of(call.Context.Request), requests.StandingOriginOf(call, client, strictly: true))
        {
            Breathes = false, // as with a lease
        };
        var outcome = await desk.ReadStaticAsync(ask, users.Rotation, call.Cancellation);
        if (outcome.Grant is not { } grant) throw VaultRefusals.Of(outcome.Refusal!, role.Role);
        var login = grant.Credentials.Login;
        return new VaultReply
        {
            Warnings = GrantedSize.WarningsOf(grant),
            Headers = GrantedSize.HeadersOf(grant),
            Data = json =>
            {
                json.WriteTime("last_vault_rotation", grant.Lease.IssuedAt);
                json.WriteString("password", login.Password.Reveal());
                WriteRotation(json, users.Rotation);
                json.WriteSecondsLeft("ttl", StaticTerms.LeftOf(users.Rotation, grant));
                json.WriteString("username", login.Username);
            },
        };
    }

    private async ValueTask<VaultReply> ListAsync(VaultCall call, SecretMount mount, CatalogSnapshot current)
    {
        var client = await requests.ClientOfAsync(call, strictly: false);
        call.Must(VaultOperation.List);
        var names = mount.Roles.Count > 0 ? mount.Roles.Keys : current.Roles.Keys;
        var own = names.Where(name => StaticOf(name, mount, current) is var (role, _) && current.Roles[role.Role].MayBeHadBy(client.Caller)).Order(StringComparer.Ordinal).ToList();
        return own.Count == 0 ? throw VaultError.NothingThere() : new VaultReply { Data = json => json.WriteTexts("keys", own) };
    }

    private async ValueTask<VaultReply> DescribeAsync(VaultCall call, string name, SecretMount mount, CatalogSnapshot current)
    {
        var client = await requests.ClientOfAsync(call, strictly: false);
        SecretPaths.MustBeName(name, call.Operation);
        call.Must(VaultOperation.Read);

        // Unknown roles and those of others are answered alike.
        if (StaticOf(name, mount, current) is not var (known, users) || !current.Roles[known.Role].MayBeHadBy(client.Caller)) throw VaultError.PermissionDenied();
        var role = current.Roles[known.Role];
        var lease = (await leases.ListAsync(role.Database, call.Cancellation)).LastOrDefault(lease => lease.Role == role.Name && lease.State == LeaseState.Active);
        return new VaultReply
        {
            Data = json =>
            {
                json.WriteString("credential_type", "password");
                json.WriteString("db_name", role.Database);
                if (lease?.IssuedAt is { } rotated) json.WriteTime("last_vault_rotation", rotated);
                WriteRotation(json, users.Rotation);
                json.WriteTexts("rotation_statements", []);
                json.WriteString("username", lease?.Username ?? users.Usernames[0]);
            },
        };
    }

    private static void WriteRotation(Utf8JsonWriter json, Rotation rotation)
    {
        if (rotation.Period is { } period) json.WriteNumber("rotation_period", (long)period.TotalSeconds);
        else json.WriteString("rotation_schedule", rotation.Schedule);
        if (rotation.Window is { } window) json.WriteNumber("rotation_window", (long)window.TotalSeconds);
    }

    private static (SecretRole Role, StaticUsers Users)? StaticOf(string name, SecretMount mount, CatalogSnapshot current) =>
        mount.RoleOf(name, current) is { } role && current.Roles[role.Role].Static is { } users ? (role, users) : null;

    private static string? After(string path, string prefix) => path.StartsWith(prefix, StringComparison.Ordinal) ? path[prefix.Length..] : null;
}
