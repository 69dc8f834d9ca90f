using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Leases.Shadow;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>
/// Shadow mode: reads of databases pass to the Vault behind too, as they always did, and the broker counts what sharing would have saved. Names
/// whose <c>Shadow</c> is false are served by the broker already.
/// </summary>
internal sealed class ShadowReads(ICatalog catalog, UpstreamLogins logins, PassThrough passing, ShadowDesk desk)
{
    private bool IsOn => logins.Channel?.Settings.Shadow == true;

    /// <summary>Whether reads of a path pass.</summary>
    public bool Covers(string? space, string path) => NameOf(space, path) is { } name && !(name.Mount.Roles.GetValueOrDefault(name.Name)?.Shadow == false);

    /// <summary>Whether a lease may belong to the Vault behind, so that the broker does not know it itself.</summary>
    public bool MayHave(string? space, string lease) => NameOf(space, lease[..Math.Max(0, lease.LastIndexOf('/'))]) is not null;

    /// <summary>Passes a read. One that is wrapped is not counted: only whoever unwraps it learns its lease.</summary>
    public async ValueTask<VaultReply> ReadAsync(VaultCall call, VaultClient client)
    {
        var reply = await passing.AskAsync(call, client, HttpMethod.Get, call.Path, null);
        if (TermOf(reply) is var (lease, duration)) await desk.ReadAsync(call.Path, RoleOf(call), Hash(lease), HolderOf(call, client), duration, call.Cancellation);
        return reply;
    }

    /// <summary>Passes a request about a lease.</summary>
    public async ValueTask<VaultReply> AskAsync(VaultCall call, VaultClient client, string path, string lease, JsonObject fields)
    {
        var reply = await passing.AskAsync(call, client, path, fields);
        if (reply.Status >= 300) return reply;
        if (path == "sys/leases/revoke") await desk.EndedAsync(Hash(lease), call.Cancellation);
        else if (path == "sys/leases/renew" && TermOf(reply) is var (_, duration)) await desk.RenewedAsync(lease[..lease.LastIndexOf('/')], Hash(lease), HolderOf(call, client), duration, call.Cancellation);
        return reply;
    }

    // The broker role of a path; null: none.
    private string? RoleOf(VaultCall call) => NameOf(call.Namespace, call.Path) is { } name ? name.Mount.RoleOf(name.Name, catalog.Current)?.Role : null;

    private (SecretMount Mount, string Name)? NameOf(string? space, string path)
    {
        if (!IsOn || catalog.Current.VaultApi.MountOf(space, path) is not var (mount, rest)) return null;
        foreach (var prefix in new[] { SecretPaths.Creds, SecretPaths.StaticCreds })
        {
            if (rest.StartsWith(prefix, StringComparison.Ordinal) && rest.Length > prefix.Length && !rest[prefix.Length..].Contains('/', StringComparison.Ordinal)) return (mount, rest[prefix.Length..]);
        }

        return null;
    }

    // The same for all reads of one pod; a caller without a pod is told apart by its token, as when the broker issues.
    private static string HolderOf(VaultCall call, VaultClient client) => Hash($"{client.Caller.OwnerHash}\n{call.Holder ?? (client.Caller.PodUid is null ? client.Live.Token.Accessor : "")}");

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 10));

    private static (string Lease, TimeSpan Duration)? TermOf(VaultReply reply)
    {
        if (reply.Status != 200 || reply.Ready is not { Length: > 0 } body) return null;
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.GetProperty("lease_id").GetString() is { Length: > 0 } lease ? (lease, TimeSpan.FromSeconds(json.RootElement.GetProperty("lease_duration").GetInt64())) : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
