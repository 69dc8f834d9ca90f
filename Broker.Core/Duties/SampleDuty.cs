using System.Collections.Concurrent;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Locating;
using Broker.Core.Leases.Pausing;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>sample</c>: counts a database's connections and writes what may be promised. When the database does not answer,
/// the last count becomes stale, and nothing new is promised on it. A database that nobody uses is not queried
/// (<see cref="BudgetSettings.PauseAfter"/>), unless it did not answer the last time.
/// </summary>
internal sealed class SampleDuty(
    SharedLedger ledger, BudgetSampler sampler, DatabaseEngines engines, Servers servers, ConnectionCaps caps, Ceilings ceilings, RolePauses pauses, PoolerStates poolers, HistoryLedger history,
    TimeProvider time, ILogger<SampleDuty> log) : IDuty
{
    private readonly ConcurrentDictionary<string, bool> broken = new(StringComparer.Ordinal);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    public string Kind => DutyKinds.Sample;

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) => database == SharedLedger.Issuers ? [] : [""];

    public TimeSpan RetryAfter(int failures) => Retry.Doubling(failures, LongestRetry);

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        // A ledger that lost something makes this duty due wherever it lost it (common.lua), also where no database is.
        if (call.Database == SharedLedger.Issuers) return null;
        try
        {
            return await CountAsync(call, cancellation);
        }
        catch (DatabaseException exception) when (call.Catalog.Databases[call.Database].Pooler is not null)
        {
            await poolers.FailedAsync(call.Database, exception.Message, cancellation);
            throw;
        }
    }

    private async Task<TimeSpan?> CountAsync(DutyCall call, CancellationToken cancellation)
    {
        var database = call.Catalog.Databases[call.Database];
        // Before anything is promised on the count, so that a ledger that lost an operator's order grants nothing in the meantime.
        await pauses.EnforceAsync(database.Name, cancellation);
        if (database.Pooler is not null) await BeginPooledAsync(database.Name, cancellation);
        if (await ledger.Budgets.RestAsync(call.Catalog, database, cancellation) is RestAnswer.Resting && call.Failures == 0) return database.Budget.SampleEvery;
        IReadOnlyList<LeaseRecord> live = [];
        IReadOnlyDictionary<string, int> granted = null!;
        SilentReply silent = null!;
        var beside = await Guarantees.BesideAsync(servers, call.Catalog, database, cancellation);
        var pooledBeside = await Guarantees.PoolersBesideAsync(servers, call.Catalog, database, cancellation);
        var began = Moment.Now(time);
        var (count, sample) = await sampler.CountAsync(
            await ceilings.InForceAsync(database, cancellation),
            async () =>
            {
                silent = await ledger.Budgets.SilentAsync(database.Name, cancellation);
                live = await LiveAsync(database.Name, cancellation);
                granted = Granted(live);
                return (granted, await OthersAsync(call.Catalog, database, live, cancellation));
            },
            cancellation);
        // The ledger knows when the granted connections were read, and not how long before that the database was asked.
        if (began.Age(time) > database.Budget.StaleAfter) throw new DutyException($"Counting took longer than a count is valid ({nameof(BudgetSettings.StaleAfter)}).");
        if (!await servers.NoticeAsync(database, sample.Server, cancellation)) return TimeSpan.Zero;
        var uses = UsesOf([.. call.Catalog.Roles.Values.Where(role => role.Database == database.Name).Select(role => role.Name)], live, count, sample);
        var stillOpen = SilentHolders.Of(sample, silent.Holders, live.ToDictionary(lease => lease.Id, lease => lease.Username, StringComparer.Ordinal), granted);
        var beyond = BeyondCaps(database, live, count.Over, silent.Holders, stillOpen);
        var terms = Parties.TermsOf(call.Catalog, database.Name);
        var pool = await ledger.Budgets.SampleAsync(
            database.Name, count.Capacity, count.Limit, count.Reserved, count.Ceiling, count.Foreign, database.Budget.StaleAfter, cancellation, uses, silent.Now,
            stillOpen, terms, count.ServerCapacity, sample.Pool is { } pooled ? (count.Pool ?? 0, pooled.Allowed) : null,
            [.. beyond.Select(lease => new CappedLease(lease.Key, lease.Value))], beside, pooledBeside);
        Watch(database.Name, terms, count.Ceiling);
        WatchServer(call.Catalog, database, sample);
        await history.RecordAsync(database.Name, await ledger.Budgets.BudgetAsync(database.Name, [.. uses.Select(use => use.Name)], cancellation), cancellation);
        caps.Watch(database, uses);
        await caps.FollowAsync(database, live, beyond, cancellation);
        if (pool is not { } size) return database.Budget.SampleEvery;
        var resized = await ResizedAsync(database, size, live, cancellation);
        await poolers.SawAsync(database.Name, new(size, silent.Now, sample.Pool!.Processes, null), cancellation);
        return resized ? TimeSpan.Zero : database.Budget.SampleEvery;
    }

    // Connections that were granted on the server itself would count as clients of the pooler, and their room on the server would be promised again.
    private async Task BeginPooledAsync(string database, CancellationToken cancellation)
    {
        var begun = "pooled:" + database;
        if (await ledger.Texts.ReadSharedAsync(begun, cancellation) is not null) return;
        if ((await ledger.Budgets.BudgetAsync(database, [], cancellation)).Granted is > 0 and var direct)
            throw new DutyException(
                $"Database '{database}' has a Pooler now, and {direct} connections are granted on the server itself: nothing more is promised until they have ended. Wait, or remove the Pooler, add it to a new entry for the same server, and move roles to that entry.");
        await ledger.Texts.ReplaceSharedAsync(begun, null, "", cancellation);
    }

    // More connections are reserved on the server before the pooler is told; fewer are given back only after the pooler was told and counted again.
    private async Task<bool> ResizedAsync(Database database, int size, IReadOnlyList<LeaseRecord> live, CancellationToken cancellation)
    {
        var users = live.DistinctBy(lease => lease.Username).Count();
        if (!await engines[database.Engine].ResizePoolAsync(database, size, users, cancellation)) return false;
        log.PoolResized(database.Name, size, users);
        return true;
    }

    // Whether guarantees can be kept is known only once the server has reported its limit: logged once, and once more when it is resolved.
    private void Watch(string database, DivisionTerms terms, int ceiling)
    {
        var guaranteed = Guarantees.SumOf(terms);
        if (guaranteed > ceiling && broken.TryAdd(database, true)) log.CannotKeepGuarantees(database, guaranteed, ceiling, Guarantees.ByParty(terms));
        if (guaranteed <= ceiling && broken.TryRemove(database, out _)) log.KeepsGuarantees(database);
    }

    // Every database of a server reports it for all of them together, because different people read each.
    private void WatchServer(CatalogSnapshot catalog, Database database, ConnectionSample sample)
    {
        var why = Guarantees.WhyNotOnServer(catalog, database, sample, servers.OthersBeside(database, catalog));
        var key = database.Name + "/server";
        if (why is not null && broken.TryAdd(key, true)) log.CannotKeepOnServer(database.Name, why);
        if (why is null && broken.TryRemove(key, out _)) log.KeepsOnServer(database.Name);
    }

    private async Task<OthersOnServer> OthersAsync(CatalogSnapshot catalog, Database database, IReadOnlyList<LeaseRecord> own, CancellationToken cancellation)
    {
        var others = servers.OthersBeside(database, catalog);
        var live = new List<LeaseRecord>();
        var pools = new List<PoolUsers>();
        if (database.Pooler is { } pooler) pools.Add(UsersOf(pooler, own, isOwn: true));
        foreach (var other in others)
        {
            var leases = await LiveAsync(other.Name, cancellation);
            if (other.Pooler is { } behind) pools.Add(UsersOf(behind, leases, isOwn: false));
            else live.AddRange(leases);
        }

        return new([.. others.Select(other => other.Budget)], Granted(live)) { Pools = pools };
    }

    private static PoolUsers UsersOf(PoolerSettings pooler, IReadOnlyList<LeaseRecord> leases, bool isOwn) =>
        new(pooler.PoolSize, new HashSet<string>([.. leases.Select(lease => lease.Username), .. pooler.AuthUser is { } user ? (string[])[user] : []], StringComparer.Ordinal), isOwn);

    // By role: what its leases' users have open. Roles without holders are included, so that their old numbers are cleared.
    private static IReadOnlyList<RoleOpen> UsesOf(IReadOnlyList<string> roles, IReadOnlyList<LeaseRecord> live, BudgetCount count, ConnectionSample sample)
    {
        var open = sample.Users.Where(user => user.Username is not null).GroupBy(user => user.Username!, StringComparer.Ordinal).ToDictionary(user => user.Key, user => user.Sum(one => one.Open), StringComparer.Ordinal);
        var users = live.DistinctBy(lease => lease.Username).ToLookup(lease => lease.Role, lease => lease.Username, StringComparer.Ordinal);
        return
        [
            .. roles.Union(users.Select(role => role.Key), StringComparer.Ordinal).Select(role => new RoleOpen(
                role, users[role].Sum(user => count.Over.GetValueOrDefault(user)), users[role].Sum(user => open.GetValueOrDefault(user)))),
        ];
    }

    // What capped users, or users about to be capped, have open beyond their leases' grants, including what holders that ended silently may still have open.
    private static Dictionary<string, int> BeyondCaps(
        Database database, IReadOnlyList<LeaseRecord> live, IReadOnlyDictionary<string, int> over, IReadOnlyList<SilentHolder> silent, StillOpen stillOpen)
    {
        var left = stillOpen.Holders.ToDictionary(holder => holder.Holder, holder => holder.Connections, StringComparer.Ordinal);
        var ended = silent.GroupBy(holder => holder.Lease, StringComparer.Ordinal).ToDictionary(lease => lease.Key, lease => lease.Sum(holder => left.GetValueOrDefault(holder.Holder)), StringComparer.Ordinal);
        return live.Where(lease => lease.Cap is not null || database.Budget.Enforce).ToDictionary(
            lease => lease.Id, lease => Math.Max(over.GetValueOrDefault(lease.Username), ended.GetValueOrDefault(lease.Id)), StringComparer.Ordinal);
    }

    private static Dictionary<string, int> Granted(IReadOnlyList<LeaseRecord> live) =>
        live.GroupBy(lease => lease.Username).ToDictionary(user => user.Key, user => user.Sum(lease => lease.Connections), StringComparer.Ordinal);

    private async Task<IReadOnlyList<LeaseRecord>> LiveAsync(string database, CancellationToken cancellation) =>
    [
        .. (await ledger.Leases.LiveAsync(database, cancellation))
            .Where(lease => lease.Username.Length > 0 && lease.State is LeaseState.Active or LeaseState.Retiring),
    ];
}
