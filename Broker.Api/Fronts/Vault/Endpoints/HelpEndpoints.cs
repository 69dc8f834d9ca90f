using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>The description of a path, for <c>?help=1</c> or <c>vault path-help</c>. Nothing is read or changed (OpenBao http/help.go).</summary>
internal sealed class HelpEndpoints(ICatalog catalog, VaultRequests requests) : IVaultEndpoints
{
    private static readonly (string Prefix, string Help)[] Known =
    [
        ("auth/token/", "Looks up, renews or revokes the token that asks, or one that is named in the body. Revoking it gives up what was read by it."),
        ("auth/", "Logs in with a role and a proof of who asks, and answers with a token."),
        ("sys/leases/", "Renews, looks up or revokes a lease of the caller's own. Revoking it gives up the caller's part of a login that others may share."),
        ("sys/wrapping/", "Wraps what is sent, looks at a wrapped answer, gives it out once, or puts it under another token."),
        ("sys/", "Says how the server is, and what the caller may do there."),
    ];

    private static readonly (string Prefix, string Help)[] OfMounts =
    [
        (SecretPaths.Creds, "Reads a login of the role, with a lease of the client's own. Many clients may share one database user."),
        (SecretPaths.StaticCreds, "Reads the password of a static role, and when it changes."),
        (SecretPaths.StaticRoles, "Lists and describes the static roles that the caller may have."),
    ];

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (call.Operation is not VaultOperation.Help) return null;
        await requests.ClientOfAsync(call, strictly: false);
        var (path, known) = catalog.Current.VaultApi.MountOf(call.Namespace, call.Path + "/") is var (_, below) ? (below, OfMounts) : (call.Path, Known);
        var help = known.FirstOrDefault(one => path.StartsWith(one.Prefix, StringComparison.Ordinal)).Help
            ?? (known == OfMounts ? string.Join('\n', OfMounts.Select(one => $"{one.Prefix.TrimEnd('/')}: {one.Help}")) : throw VaultError.NoHandler(call.Path));
        return new VaultReply
        {
            Whole = json =>
            {
                json.WriteString("help", help);
                json.WriteNull("see_also");
                json.WriteNull("openapi");
            },
        };
    }
}
