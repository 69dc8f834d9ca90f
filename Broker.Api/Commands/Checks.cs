using System.Globalization;
using System.Runtime.CompilerServices;
using Broker.Api.Authentication;
using Broker.Api.Authentication.Kubernetes;
using Broker.Api.Fronts;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Catalog.Reading;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Duties;
using Broker.Core.Issuing;
using Broker.Core.Leases.Holders;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Api.Commands;

/// <summary>The result of one check.</summary>
/// <param name="IsGood">Whether it works.</param>
/// <param name="What">What was checked.</param>
/// <param name="Text">What was found, or what is wrong.</param>
internal sealed record Checked(bool IsGood, string What, string Text);

/// <summary>Tries everything that a configuration names, on the real servers. Leaves nothing behind.</summary>
internal sealed class Checks(IServiceProvider services, LiveCatalog catalog)
{
    private static readonly TimeSpan Each = TimeSpan.FromSeconds(20);

    /// <summary>Tries everything, one after another.</summary>
    /// <param name="withUsers">Whether a user of each role is made, tried and dropped.</param>
    /// <param name="cancellation">Ends it.</param>
    public async IAsyncEnumerable<Checked> RunAsync(bool withUsers, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var current = catalog.Current;
        if (catalog.Settings.Audit.Path is { } path && path != AuditSettings.StandardOutput) yield return await TryAsync($"audit {path}", _ => AuditAsync(path), cancellation);
        yield return await TryAsync("ledger", LedgerAsync, cancellation);
        if (catalog.Settings.Sealing?.Directory is { } keys) yield return await TryAsync($"sealing keys {keys}", _ => Task.FromResult(SealingKeys(keys)), cancellation);
        foreach (var issuer in current.Identity.Issuers.Values.OrderBy(static issuer => issuer.Name, StringComparer.Ordinal))
        {
            yield return await TryAsync($"identity issuer {issuer.Name}", _ => FetchKeysAsync(issuer), cancellation);
            if (issuer.Pods is not null) yield return await TryAsync($"pods of cluster {issuer.Name}", cancel => WatchPodsAsync(issuer, current, cancel), cancellation);
        }

        List<string> away = [];
        var counted = new Dictionary<Database, ConnectionSample>();
        foreach (var database in current.Databases.Values.OrderBy(static database => database.Name, StringComparer.Ordinal))
        {
            var found = await TryAsync($"database {database.Name}", cancel => CountAsync(database, current, counted, cancel), cancellation);
            if (!found.IsGood) away.Add(database.Name);
            yield return found;
            if (database.ReplicaConnectionString is not { } replica) continue;
            found = await TryAsync($"replica of {database.Name}", cancel => CountAsync(database with { AdminConnectionString = replica }, current, null, cancel), cancellation);
            if (!found.IsGood) away.Add(database.Name);
            yield return found;
        }

        foreach (var server in GuaranteesReading.ServersOf(counted.Keys, database => counted[database].Server ?? CountedEndpoint.Of(database)).Where(static server => server.Count > 1))
            yield return await TryAsync($"server of {string.Join(", ", server.Select(static database => database.Name))}", _ => Task.FromResult(KeepTogether(server, counted, current)), cancellation);

        if (!withUsers) yield break;
        foreach (var role in current.Roles.Values.Where(role => !away.Contains(role.Database)).OrderBy(static role => role.Name, StringComparer.Ordinal))
            yield return await TryAsync($"role {role.Name}", cancel => MakeUserAsync(role, current, cancel), cancellation);
    }

    private static async Task<Checked> TryAsync(string what, Func<CancellationToken, Task<string>> attempt, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Each);
        try
        {
            return new(true, what, await attempt(deadline.Token));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new(false, what, $"did not answer within {Each.TotalSeconds:0} s.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return new(false, what, Starting.StartFaults.Describe(e));
        }
    }

    // Not by writing a record: a broker may be writing to this file and hold its lock.
    private static Task<string> AuditAsync(string path)
    {
        var full = Path.GetFullPath(path);
        var there = File.Exists(full);
        using (new FileStream(full, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            // That the file opens is all that can be checked.
        }

        if (!there) File.Delete(full);
        WriteBeside(full);
        return Task.FromResult("can be written, and so can its directory.");
    }

    // Enough to detect a full disk.
    private static void WriteBeside(string path)
    {
        var beside = $"{path}.check-{Guid.NewGuid():N}";
        try
        {
            using var file = new FileStream(beside, FileMode.CreateNew, FileAccess.Write);
            file.Write(new byte[64 * 1024]);
            file.Flush(flushToDisk: true);
        }
        finally
        {
            File.Delete(beside);
        }
    }

    private static string SealingKeys(string directory)
    {
        var keys = Directory.EnumerateFiles(directory, "key-*.xml").Count();
        try
        {
            WriteBeside(Path.Combine(directory, "keys"));
            return string.Create(CultureInfo.InvariantCulture, $"{keys} found, and the broker can make more.");
        }
        catch (Exception e) when (keys > 0 && e is IOException or UnauthorizedAccessException)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{keys} found, and the broker cannot make more ({e.Message}): add a new one before the newest is 90 days old.");
        }
    }

    private async Task<string> LedgerAsync(CancellationToken cancellation)
    {
        // Not by a decision: a broker may be using the file.
        if (catalog.Settings.Ledger is { Kind: LedgerKind.File, Path: { } path })
        {
            var found = FileLedgerStore.Look(path);
            WriteBeside(Path.GetFullPath(path));
            return found;
        }

        await services.GetRequiredService<SharedLedger>().Budgets.BudgetAsync("~check", [], cancellation);
        if (services.GetRequiredService<Fitness>().Note is { } note) return $"answers, and {note}.";
        return catalog.Settings.Ledger.Kind == LedgerKind.Redis ? "answers, permits everything the broker needs, and evicts no keys." : "is in this process: it serves one replica, and a restart loses it.";
    }

    private async Task<string> FetchKeysAsync(IdentityIssuer issuer)
    {
        var keys = (await KeyFetching.FetchAsync(issuer, services.GetRequiredService<TimeProvider>())).Keys.Count;
        return keys > 0 ? $"has {Wording.Count(keys, "key")} to verify tokens with." : throw new InvalidDataException("has no usable key: none of its tokens can be verified.");
    }

    private async Task<string> WatchPodsAsync(IdentityIssuer issuer, CatalogSnapshot current, CancellationToken cancellation)
    {
        var spaces = PodDesk.NamespacesOf(current, issuer.Name).Order(StringComparer.Ordinal).ToList();
        await Task.WhenAll(spaces.Select(space => new NamespacePods(issuer, space, services.GetRequiredService<TimeProvider>()).TryAsync(cancellation)));
        return spaces.Count > 0 ? $"can be watched in {string.Join(", ", spaces)}." : "are not watched: no role names a namespace.";
    }

    private static string KeepTogether(IReadOnlyList<Database> server, Dictionary<Database, ConnectionSample> counted, CatalogSnapshot current)
    {
        foreach (var database in server)
        {
            if (Guarantees.WhyNotOnServer(current, database, counted[database], [.. server.Where(other => other != database)]) is { } cannot) throw new CannotBeKeptException(cannot);
        }

        return "is one server, and all that is guaranteed on its databases together can be kept.";
    }

    private async Task<string> CountAsync(Database database, CatalogSnapshot current, Dictionary<Database, ConnectionSample>? counted, CancellationToken cancellation)
    {
        var sample = await services.GetRequiredService<DatabaseEngines>()[database.Engine].SampleAsync(database, cancellation);
        counted?.Add(database, sample);
        if (Guarantees.WhyNot(current, database, sample) is { } cannot) throw new CannotBeKeptException(cannot);
        var ceiling = BudgetCount.Of(sample, database.Budget, new Dictionary<string, int>()).Ceiling;
        var list = "";
        if (database.Pooler?.UserList is { } path)
        {
            await new UserListFile(path, services.GetRequiredService<TimeProvider>()).ChangeAsync(Task.FromResult, cancellation);
            list = $"  Its user list {path} can be written.";
        }

        if (sample.Pool is { } pool)
            return $"its pooler accepts {sample.Limit} clients, {sample.Users.Sum(static user => user.Open)} are connected, and up to {ceiling} may be promised; the server behind it allows {pool.Server.Limit} connections, of which the pooler may use {pool.Allowed} now and {database.Pooler!.PoolSize} at most.{list}";
        var open = sample.ShowsConnections
            ? $"{sample.Users.Sum(static user => user.Open)} are open, and up to {ceiling} may be promised."
            : $"up to {ceiling} may be promised. It shows none of its connections, so those of other applications are not counted: leave room for them (Budget:CeilingPercent).";
        return $"allows {sample.Limit} connections, {sample.Reserved} of them reserved; {open}";
    }

    private async Task<string> MakeUserAsync(Role role, CatalogSnapshot current, CancellationToken cancellation)
    {
        var database = current.Databases[role.Database];
        var issuer = services.GetRequiredService<Issuers>()[current.Issuers[role.Issuer]];
        var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
        var issued = await issuer.IssueAsync(new(role, database, issuer.ProposeUsername(role, database), now), cancellation);
        try
        {
            await services.GetRequiredService<DatabaseEngines>()[database.Engine].TryLoginAsync(database.Pooler?.UserList is null ? database.SeenBy(role) : database, issued.Login, cancellation);
        }
        finally
        {
            await issuer.RevokeAsync(new(role, database, issued.Id), CancellationToken.None);
        }

        return $"a user was made by '{role.Issuer}', could log in to '{role.Database}', and was dropped again.";
    }
}
