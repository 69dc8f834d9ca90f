using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Operators;

/// <summary>What a DBA should know about how well a database suits users that come and go.</summary>
/// <param name="Database">The database.</param>
/// <param name="At">When it was looked at.</param>
/// <param name="Findings">What was found, the worst first.</param>
/// <param name="WhyNot">Why nothing is known, in the server's words; null: all was looked at.</param>
public sealed record DatabaseExamination(string Database, DateTimeOffset At, IReadOnlyList<Finding> Findings, string? WhyNot);

/// <summary>Examines databases for display. However many viewers there are, each is examined at most once in five minutes.</summary>
internal sealed partial class ExaminationDesk(ICatalog catalog, SharedLedger ledger, DatabaseEngines engines, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan FreshFailure = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<string, (long At, Task<DatabaseExamination> Read)> last = new(StringComparer.Ordinal);

    /// <summary>One database; null when the catalog has no such database.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task<DatabaseExamination?> ReadAsync(string name, CancellationToken cancellation)
    {
        if (!catalog.Current.Databases.TryGetValue(name, out var database)) return null;
        if (!last.TryGetValue(name, out var known) || await IsOverAsync(known))
        {
            // Not cancelled with the first caller, because later callers share it.
            known = (time.GetTimestamp(), ExamineAsync(database));
            last[name] = known;
        }

        return await known.Read.WaitAsync(cancellation);
    }

    private async ValueTask<bool> IsOverAsync((long At, Task<DatabaseExamination> Read) known)
    {
        if (!known.Read.IsCompleted) return false;
        var worked = known.Read.IsCompletedSuccessfully && (await known.Read).WhyNot is null;
        return time.GetElapsedTime(known.At) >= (worked ? Fresh : FreshFailure);
    }

    private async Task<DatabaseExamination> ExamineAsync(Database database)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        try
        {
            var users = (await ledger.Leases.LiveAsync(database.Name, patience.Token)).Select(lease => lease.Username)
                .Concat((await ledger.Leftovers.LeftoversAsync(database.Name, patience.Token)).Select(left => left.Username))
                .Where(user => user.Length > 0).Distinct(StringComparer.Ordinal).ToArray();
            var found = await engines[database.Engine].ExamineAsync(database, users, patience.Token);
            return new(database.Name, time.GetUtcNow(), [.. found.Concat(OfStatements(database)).OrderByDescending(finding => finding.Kind)], null);
        }
        catch (DatabaseException e)
        {
            return new(database.Name, time.GetUtcNow(), [], e.Message);
        }
        catch (OperationCanceledException)
        {
            return new(database.Name, time.GetUtcNow(), [], $"Database '{database.Name}' did not answer within {Patience.TotalSeconds:0} s.");
        }
    }

    // The effects of roles' own statements, before the first user shows them. Those of Vault's roles are in Vault.
    private IEnumerable<Finding> OfStatements(Database database) => catalog.Current.Roles.Values
        .Where(role => role.Database == database.Name && role.CreationStatements.Any(statement => GrantsOnThings().IsMatch(statement)))
        .OrderBy(role => role.Name, StringComparer.Ordinal)
        .Select(role => new Finding(
            FindingKind.Notice,
            $"Role {role.Name} grants rights to each user individually",
            $"The CreationStatements of role {role.Name} have GRANT … ON …: each user is written into the access list of everything that is granted. Grant to a group once, and have the statements let the user join it.",
            InPlaceOfGrants(database.Engine)));

    /// <summary>The SQL that puts a group in place of rights of each user's own, in the engine's dialect.</summary>
    internal static string InPlaceOfGrants(DatabaseEngineKind engine) => engine == DatabaseEngineKind.MySql
        ? """
            CREATE ROLE app_rw; -- grant to it what the statements grant now
            GRANT app_rw TO 'broker'@'%' WITH ADMIN OPTION; -- the broker's administrator
            -- CreationStatements: CREATE the user, GRANT app_rw TO '{{name}}'@'%'; SET DEFAULT ROLE app_rw TO '{{name}}'@'%';
            -- MariaDB: SET DEFAULT ROLE app_rw FOR '{{name}}'@'%', which takes UPDATE ON mysql.*
            """
        : """
            CREATE ROLE app_rw NOLOGIN; -- grant to it what the statements grant now
            GRANT app_rw TO broker WITH ADMIN OPTION; -- the broker's administrator
            -- CreationStatements: CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_rw;
            """;

    [GeneratedRegex(@"\bGRANT\b[^;]*\bON\b[^;]*\bTO\b[^;]*\{\{\s*(name|username)\s*\}\}", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex GrantsOnThings();
}
