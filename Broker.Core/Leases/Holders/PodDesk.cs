using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Holders;

/// <summary>A pod of a cluster.</summary>
/// <param name="Namespace">Its namespace.</param>
/// <param name="ServiceAccount">The name of its service account.</param>
/// <param name="Uid">Its UID.</param>
public sealed record ClusterPod(string Namespace, string ServiceAccount, string Uid);

/// <summary>Ends the holders of pods that are gone: killed, finished or deleted without releasing their holders.</summary>
internal sealed class PodDesk(ICatalog catalog, SharedLedger ledger, RememberedGrants remembered, GonePods goneForGood, IAudit audit, TimeProvider time)
{
    /// <summary>The namespaces whose pods may have a role, if its rules name them exactly.</summary>
    public static IEnumerable<string> NamespacesOf(CatalogSnapshot catalog, string issuer) => catalog.Roles.Values
        .SelectMany(role => role.Allow)
        .Where(rule => IsOf(catalog, rule, issuer))
        .SelectMany(WatchedNamespaces.Of)
        .Distinct(StringComparer.Ordinal);

    /// <summary>Ends the holders of these pods, which the cluster reported gone for good.</summary>
    /// <exception cref="LedgerException">The ledger does not answer; call again.</exception>
    /// <exception cref="AuditUnavailableException">Their holders have ended, but that could not be recorded.</exception>
    public Task GoneAsync(string issuer, IReadOnlyCollection<ClusterPod> pods, CancellationToken cancellation)
    {
        string[] owners = [.. pods.Select(pod => OwnerOf(issuer, pod))];
        foreach (var owner in owners) goneForGood.Add(owner);
        return EndAsync(issuer, owners, cancellation);
    }

    /// <summary>
    /// The owners of holders that are pods of a namespace, as far as their names say. Read before the cluster is asked which pods there
    /// are, so that a pod that comes in between is not affected.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task<IReadOnlySet<string>> KnownAsync(string issuer, string space, CancellationToken cancellation)
    {
        var current = catalog.Current;
        var owners = new HashSet<string>(StringComparer.Ordinal);
        foreach (var database in DatabasesOf(current, issuer))
        {
            foreach (var holder in await ledger.Holders.HoldersAsync(database, null, int.MaxValue, cancellation))
            {
                // Only if none but this cluster's callers may hold the role: subjects of other issuers may look like a pod's name.
                if (holder.Caller.StartsWith(space + "/", StringComparison.Ordinal)
                    && HolderId.TryParse(holder.Id, out var id)
                    && current.Roles.TryGetValue(id.Role, out var role)
                    && role.Allow.All(rule => IsOf(current, rule, issuer)))
                    owners.Add(id.OwnerHash);
            }
        }

        return owners;
    }

    /// <summary>Of those known, and of the pods that existed before, these are all that exist: the others are gone.</summary>
    /// <exception cref="LedgerException">The ledger does not answer; call again.</exception>
    public Task OnlyAsync(string issuer, IReadOnlySet<string> known, IEnumerable<ClusterPod> before, IEnumerable<ClusterPod> pods, CancellationToken cancellation)
    {
        var gone = known.ToHashSet(StringComparer.Ordinal);
        gone.UnionWith(before.Select(pod => OwnerOf(issuer, pod)));
        gone.ExceptWith(pods.Select(pod => OwnerOf(issuer, pod)));
        return EndAsync(issuer, [.. gone], cancellation);
    }

    private async Task EndAsync(string issuer, string[] owners, CancellationToken cancellation)
    {
        if (owners.Length == 0) return;
        foreach (var database in DatabasesOf(catalog.Current, issuer))
        {
            await foreach (var (gone, mark) in ledger.Holders.PodsGoneAsync(database, owners, cancellation)) await EndedAsync(issuer, database, gone, mark, cancellation);
        }
    }

    private async Task EndedAsync(string issuer, string database, IReadOnlyList<EndedHolder> gone, long mark, CancellationToken cancellation)
    {
        foreach (var ended in gone)
        {
            remembered.Left(database, ended.Holder, mark);
            await audit.WriteAsync(
                new()
                {
                    Time = time.GetUtcNow(),
                    Action = AuditAction.End,
                    Outcome = AuditOutcome.Granted,
                    Role = HolderId.TryParse(ended.Holder, out var id) ? id.Role : null,
                    Database = database,
                    LeaseId = ended.Lease,
                    HolderId = ended.Holder,
                    Connections = ended.Connections,
                    Detail = $"cluster {issuer} says that its pod is gone",
                },
                cancellation);
        }
    }

    private string OwnerOf(string issuer, ClusterPod pod) => Caller.OwnerHashOfPod(ClusterOf(catalog.Current, issuer), pod.Namespace, pod.ServiceAccount, pod.Uid);

    // Entries of one cluster prove the same pods.
    private static bool IsOf(CatalogSnapshot catalog, AllowRule rule, string issuer) => ClusterOf(catalog, rule.Issuer) == ClusterOf(catalog, issuer);

    private static string ClusterOf(CatalogSnapshot catalog, string issuer) => catalog.Identity.Issuers.GetValueOrDefault(issuer)?.Cluster ?? issuer;

    private static IEnumerable<string> DatabasesOf(CatalogSnapshot catalog, string issuer) => catalog.Roles.Values
        .Where(role => role.Allow.Any(rule => IsOf(catalog, rule, issuer))).Select(role => role.Database).Distinct(StringComparer.Ordinal);
}
