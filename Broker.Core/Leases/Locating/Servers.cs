using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Locating;

/// <summary>
/// Knows which databases share a server, and so its connections (docs/architecture.md). A server is the one that the configuration names, or else
/// the one as which it identifies itself. The result is kept in the ledger, by the database's endpoint: a server that fails over to
/// another machine, or is away when a replica starts, is still the same.
/// </summary>
internal sealed partial class Servers(ICatalog catalog, IServiceProvider services, BudgetSampler sampler, ILogger<Servers> log)
{
    // Server: null while it is not known.
    private readonly ConcurrentDictionary<string, (Database Database, string? Server)> known = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lazy<Task<string?>>> looking = new(StringComparer.Ordinal);

    // Resolved later, because it asks for addresses itself.
    private TextLedger Texts => field ??= services.GetRequiredService<SharedLedger>().Texts;

    // For records under the databases' own names.
    private BudgetLedger Former => field ??= new(new(services.GetRequiredService<FitLedgerStore>()));

    /// <summary>
    /// Where a database's records are in the ledger (<see cref="LedgerKeys"/>); for a name that is no database's, that name. While its server is not
    /// known the database has a place of its own, where nothing is ever promised because no count is written.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public ValueTask<string> AddressAsync(string name, CancellationToken cancellation)
    {
        if (!catalog.Current.Databases.TryGetValue(name, out var database)) return new(name);
        return known.TryGetValue(name, out var found) && ReferenceEquals(found.Database, database)
            ? new(AddressOf(found.Server, name))
            : FindAsync(database, cancellation);
    }

    /// <summary>The other databases of the catalog on this one's server, as far as that is known.</summary>
    public IReadOnlyList<Database> OthersBeside(Database database, CatalogSnapshot current) =>
        known.TryGetValue(database.Name, out var here) && here.Server is not null
            ? [.. current.Databases.Values.Where(other => other.Name != database.Name && known.TryGetValue(other.Name, out var at) && at.Server == here.Server)]
            : [];

    /// <summary>
    /// A count said which server it is. False: the records are not where they were believed to be, and the count is useless there.
    /// </summary>
    /// <exception cref="DutyException">It is another database's server, whose connections would be promised twice.</exception>
    public async Task<bool> NoticeAsync(Database database, string? identity, CancellationToken cancellation)
    {
        if (!known.TryGetValue(database.Name, out var here)) return true; // its records have not been located yet: under its own name
        var said = NameOf(identity ?? CountedEndpoint.Of(database));
        if (here.Server is not { } server)
        {
            await SettleAsync(database, said, cancellation);
            return false;
        }

        if (database.Server is null)
        {
            // The ledger's answer holds for all replicas. It is told again what it has lost.
            if (await RecordedAsync(database, cancellation) is { } recorded && recorded != server)
            {
                Know(database, recorded);
                return false;
            }

            await KeepAsync(database, server, cancellation);
        }

        if (said != server && identity is not null) await CompareAsync(database, server, said, cancellation);
        return true;
    }

    // The server identifies itself differently from the name its records are kept under: a person named it, or it has replaced another.
    private async Task CompareAsync(Database database, string server, string said, CancellationToken cancellation)
    {
        var same = await ReadNameAsync(IsName(said), cancellation);
        if (same is null && !known.Values.Any(other => other.Server == said))
        {
            await Texts.ReplaceSharedAsync(IsName(said), null, server, cancellation);
            same = server;
        }

        // A name that a person configured holds: servers that are copies of one another identify themselves alike.
        if (database.Server is not null || (same ?? said) == server) return;
        var others = known.Where(other => other.Value.Server == (same ?? said)).Select(other => other.Key).Order(StringComparer.Ordinal).ToArray();
        throw new DutyException(
            $"Database '{database.Name}' is on the server of {(others.Length > 0 ? $"'{string.Join("', '", others)}'" : $"'{same ?? said}'")} now, but its records belong to another server: nothing is promised on it. "
            + "Set the same Server for all databases of that server in the configuration.");
    }

    // Once for all concurrent callers.
    private async ValueTask<string> FindAsync(Database database, CancellationToken cancellation)
    {
        var look = looking.GetOrAdd(database.Name, _ => new(() => LookAsync(database)));
        try
        {
            return AddressOf(await look.Value.WaitAsync(cancellation), database.Name);
        }
        finally
        {
            if (look.Value.IsCompleted) looking.TryRemove(new(database.Name, look));
        }
    }

    private async Task<string?> LookAsync(Database database)
    {
        try
        {
            if (database.Server is { } stated) return Know(database, stated);
            if (await RecordedAsync(database, CancellationToken.None) is { } recorded) return Know(database, recorded);
            var said = (await sampler.LookAsync(database, CancellationToken.None)).Server ?? CountedEndpoint.Of(database);
            return await SettleAsync(database, NameOf(said), CancellationToken.None);
        }
        catch (DatabaseException e)
        {
            // The count of its connections finds out, as soon as the database answers.
            log.ServerUnknown(database.Name, e.Message);
            return Know(database, null);
        }
    }

    private async Task<string?> SettleAsync(Database database, string said, CancellationToken cancellation)
    {
        var server = await ReadNameAsync(IsName(said), cancellation) ?? await CallAsync(database, said, cancellation);
        await KeepAsync(database, server, cancellation);
        return Know(database, server);
    }

    // The first name of a server, on which all replicas agree. Brokers that knew of no servers kept a database's records under its name alone:
    // they stay there, and the server of the first such database gets the same name, so that its pods' holdings are still known.
    private async Task<string> CallAsync(Database database, string said, CancellationToken cancellation)
    {
        var hasFormer = await Texts.ReadSharedAsync(OnName(database), cancellation) is null
            && (await Former.BudgetAsync(database.Name, [], cancellation)).SampledAt is not null;
        var name = hasFormer ? database.Name : said;
        await Texts.ReplaceSharedAsync(IsName(said), null, name, cancellation);
        return await ReadNameAsync(IsName(said), cancellation) ?? name;
    }

    private string? Know(Database database, string? server)
    {
        known[database.Name] = (database, server);
        var others = OthersBeside(database, catalog.Current);
        if (others.Count > 0) log.ServerShared(database.Name, server!, string.Join(", ", others.Select(other => other.Name)));
        return server;
    }

    private static string AddressOf(string? server, string database) => LedgerKeys.Address(server ?? database, database);

    // endpoint|server, by database.
    private async Task<string?> RecordedAsync(Database database, CancellationToken cancellation) =>
        await Texts.ReadSharedAsync(OnName(database), cancellation) is var (text, _) && text.LastIndexOf('|') is var at and >= 0
        && text[..at] == CountedEndpoint.Of(database) && ServerName().IsMatch(text[(at + 1)..])
            ? text[(at + 1)..]
            : null;

    private async Task KeepAsync(Database database, string server, CancellationToken cancellation)
    {
        var text = $"{CountedEndpoint.Of(database)}|{server}";
        await Texts.ChangeSharedAsync(OnName(database), there => there == text ? null : text, cancellation);
    }

    private async Task<string?> ReadNameAsync(string name, CancellationToken cancellation) =>
        await Texts.ReadSharedAsync(name, cancellation) is var (text, _) && ServerName().IsMatch(text) ? text : null;

    private static string OnName(Database database) => "on:" + database.Name;

    private static string IsName(string said) => "is:" + said;

    // Servers' identities are long, and have any characters.
    private static string NameOf(string identity) => "s-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..16];

    [GeneratedRegex("^[a-z0-9_-]{1,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex ServerName();
}
