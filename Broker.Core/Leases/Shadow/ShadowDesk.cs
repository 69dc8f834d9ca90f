using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Shadow;

/// <summary>What sharing would have saved at one path, as all replicas saw it.</summary>
/// <param name="Path">The path that clients read.</param>
/// <param name="Since">Since when.</param>
/// <param name="Users">Database users that were made.</param>
/// <param name="UsersShared">Those that sharing would have made.</param>
/// <param name="Leases">Present leases.</param>
/// <param name="LeasesShared">Those that sharing would have.</param>
/// <param name="MostLeases">The most at once; with several replicas at most this many.</param>
/// <param name="Connections">Connections of the present leases: the role's default for each.</param>
/// <param name="ConnectionsShared">Those that would count for their holders: a pod that read several times has one pool to fill.</param>
/// <param name="MostConnections">The most at once; with several replicas at most this many.</param>
/// <param name="MostConnectionsShared">The most at once that would count for holders.</param>
public sealed record ShadowRow(
    string Path, DateTimeOffset Since, long Users, long UsersShared, int Leases, int LeasesShared, int MostLeases, int Connections, int ConnectionsShared, int MostConnections, int MostConnectionsShared);

/// <summary>What the broker saw in shadow mode. Each replica reports what it has seen, sealed, and the report combines all replicas.</summary>
internal sealed class ShadowDesk(ShadowTally tally, ICatalog catalog, ILedgerStore store, LedgerSeal seal, TimeProvider time)
{
    private const string All = "all";
    private const int DefaultConnections = 5;
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);
    private static readonly TimeSpan ToldEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestLifeByDefault = TimeSpan.FromHours(24);

    private readonly RecordLedger records = new(store, "~shadow", seal, "Broker.Shadow.v1");
    private readonly string replica = Guid.NewGuid().ToString("N");
    private long? toldAt;

    /// <summary>A client read.</summary>
    public ValueTask ReadAsync(string path, string? role, string lease, string holder, TimeSpan duration, CancellationToken cancellation)
    {
        tally.Read(path, role, lease, holder, duration, RoleOf(role)?.LeaseMaxTtl ?? LongestLifeByDefault);
        return TellAsync(cancellation);
    }

    /// <summary>A client renewed.</summary>
    public ValueTask RenewedAsync(string path, string lease, string holder, TimeSpan duration, CancellationToken cancellation)
    {
        tally.Renewed(path, lease, holder, duration);
        return TellAsync(cancellation);
    }

    /// <summary>A client gave its lease up.</summary>
    public ValueTask EndedAsync(string lease, CancellationToken cancellation)
    {
        tally.Ended(lease);
        return TellAsync(cancellation);
    }

    /// <summary>The report, by path. Other replicas' figures are their last reports, seconds old.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<ShadowRow>> ReportAsync(CancellationToken cancellation)
    {
        var seen = new List<ShadowSeen> { tally.Seen };
        foreach (var other in await records.ListAsync(All, cancellation))
        {
            if (other != replica && await records.ReadAsync(other, cancellation) is var (text, _)) seen.Add(JsonSerializer.Deserialize<ShadowSeen>(text)!);
        }

        var now = time.GetUtcNow();
        var ended = seen.SelectMany(one => one.Ended.Keys).ToHashSet(StringComparer.Ordinal);
        var leases = seen.SelectMany(one => one.Leases.Values).Where(held => held.EndsAt > now && !ended.Contains(held.Lease)).DistinctBy(held => held.Lease).ToLookup(held => held.Path, StringComparer.Ordinal);
        return
        [
            .. seen.SelectMany(one => one.Paths.Values).GroupBy(path => path.Path, StringComparer.Ordinal).OrderBy(path => path.Key, StringComparer.Ordinal)
                .Select(path => Row(path.Key, [.. path], [.. leases[path.Key]], RoleOf(path.Select(one => one.Role).FirstOrDefault(role => role is not null)))),
        ];
    }

    private static ShadowRow Row(string path, ShadowPath[] told, ShadowLease[] leases, Role? role)
    {
        var each = role?.Connections.Default ?? DefaultConnections;
        var holders = leases.DistinctBy(held => held.Holder).Count();
        var most = role?.MaxHoldersPerLease ?? int.MaxValue;
        return new(
            path, told.Min(one => one.Since), told.Sum(one => one.Users), told.Max(one => one.UsersShared), leases.Length, holders == 0 ? 0 : (holders - 1) / most + 1,
            told.Sum(one => one.MostLeases), leases.Length * each, holders * each, told.Sum(one => one.MostLeases) * each, told.Sum(one => one.MostHolders) * each);
    }

    private Role? RoleOf(string? name) => name is null ? null : catalog.Current.Roles.GetValueOrDefault(name);

    // A report gives nobody a right: what an unreachable ledger misses now it hears next time.
    private async ValueTask TellAsync(CancellationToken cancellation)
    {
        if (toldAt is { } at && time.GetElapsedTime(at) < ToldEvery) return;
        toldAt = time.GetTimestamp();
        var text = JsonSerializer.Serialize(tally.Seen);
        try
        {
            if (!await records.RenewAsync(replica, text, Kept, cancellation)) await records.PutAsync(replica, [All], text, Kept, cancellation);
        }
        catch (LedgerException)
        {
            toldAt = null;
        }
    }
}
