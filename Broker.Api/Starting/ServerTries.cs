using System.Collections.Concurrent;
using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Duties;
using Broker.Core.Issuing;
using Broker.Core.Leases.Locating;
using Broker.Core.Ledger;

namespace Broker.Api.Starting;

/// <summary>
/// Does once, from this replica, what claims need from other servers: counts each database and checks that the ledger grants on the
/// count and that the guarantees can be kept; logs in to each issuer; and fetches each identity issuer's keys. What has worked once is not tried again; what has not is tried again every few seconds.
/// </summary>
internal sealed class ServerTries(
    ICatalog catalog, DatabaseEngines engines, SharedLedger ledger, Servers servers, Issuers issuers, CallerProver prover, TimeProvider time, ILogger<ServerTries> log)
{
    private static readonly TimeSpan Each = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CountedAgain = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, bool> worked = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> told = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> refused = new(StringComparer.Ordinal); // servers that answer, but cannot do what is configured
    private long? triedAt;

    /// <summary>Tries what has not worked yet.</summary>
    /// <returns>Whether at least one role has everything that it needs, and what does not answer; null when everything does.</returns>
    public async Task<(bool CanServe, string? Missing)> TryAsync(CancellationToken cancellation)
    {
        var current = catalog.Current;
        var all = current.Roles.Values.SelectMany(role => Needs(role, current)).DistinctBy(static need => need.Name).ToArray();
        if (triedAt is not { } at || time.GetElapsedTime(at) >= Apart)
        {
            triedAt = time.GetTimestamp();
            await Task.WhenAll(all.Where(need => !worked.ContainsKey(need.Name)).Select(need => TryAsync(need, cancellation)));
        }

        var missing = all.Select(static need => need.Name).Where(name => !worked.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        return (
            current.Roles.Values.Any(role => Needs(role, current).GroupBy(static need => need.Kind).All(kind => kind.Any(need => worked.ContainsKey(need.Name)))),
            missing.Length == 0 ? null : string.Join("; ", SayOf(missing)));
    }

    private IEnumerable<string> SayOf(string[] missing)
    {
        var away = missing.Where(name => !refused.ContainsKey(name)).ToArray();
        if (away.Length > 0) yield return $"{string.Join(", ", away)} {(away.Length == 1 ? "has" : "have")} not answered yet; the log says why";
        foreach (var name in missing)
        {
            if (refused.TryGetValue(name, out var why)) yield return why;
        }
    }

    // One identity issuer is enough, because a role's callers may come from several.
    private IEnumerable<Need> Needs(Role role, CatalogSnapshot current)
    {
        var database = current.Databases[role.Database];
        yield return new("database", $"database '{database.Name}'", token => CountAsync(database, current, token));
        if (current.Issuers[role.Issuer] is VaultIssuerDefinition vault) yield return new("issuer", $"issuer '{vault.Name}'", token => issuers[vault].GenerationAsync(token)); // a valid token is enough while Vault is away
        foreach (var name in role.Allow.Select(static rule => rule.Issuer).Distinct(StringComparer.Ordinal))
            yield return new("identity", $"identity issuer '{name}'", token => KeysAsync(name, token));
    }

    // A new ledger grants nothing until replicas had time to restore what they remember; the first pods would have to wait for that.
    private async Task CountAsync(Database database, CatalogSnapshot current, CancellationToken cancellation)
    {
        var engine = engines[database.Engine];
        var sample = await engine.SampleAsync(database, cancellation);
        if (Guarantees.WhyNot(current, database, sample) is { } cannot) throw new CannotBeKeptException(cannot);
        if (await Guarantees.BesideAsync(servers, current, database, cancellation) is { Count: > 0 } && Guarantees.WhyNotOnServer(current, database, sample, servers.OthersBeside(database, current)) is { } together)
            throw new CannotBeKeptException(together);
        try
        {
            await engine.RehearseAsync(database, cancellation);
        }
        catch (DatabaseException e)
        {
            // Not fatal: the first issue is a little slower, and reports the problem if it matters.
            log.RehearsalEnded(e.Message);
        }

        while (true)
        {
            var budget = await ledger.Budgets.BudgetAsync(database.Name, [], cancellation);
            if (budget is { SampledAt: not null, LostSince: false, SettlesIn.Ticks: 0 }) return;
            await Task.Delay(budget.SettlesIn > CountedAgain ? budget.SettlesIn : CountedAgain, time, cancellation);
        }
    }

    private async Task KeysAsync(string issuer, CancellationToken cancellation)
    {
        if (!await prover.HasKeysAsync(issuer, cancellation)) throw new IssuerException(IssuerFailure.Unavailable, "its keys have not been fetched yet");
    }

    private async Task TryAsync(Need need, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(Each, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        string why;
        refused.TryRemove(need.Name, out _);
        try
        {
            await need.TryAsync(over.Token).WaitAsync(over.Token);
            worked[need.Name] = true;
            return;
        }
        catch (CannotBeKeptException e)
        {
            refused[need.Name] = why = e.Message;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            why = $"no answer within {Each.TotalSeconds:0} s";
        }
        catch (Exception e) when (e is DatabaseException or IssuerException or LedgerException)
        {
            why = e.Message;
        }

        if (told.TryGetValue(need.Name, out var before) && before == why) return;
        told[need.Name] = why;
        log.NotAnswered(need.Name, why);
    }

    private sealed record Need(string Kind, string Name, Func<CancellationToken, Task> TryAsync);
}
