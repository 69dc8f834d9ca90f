using System.Globalization;
using Broker.Api.Fronts;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Page;

/// <summary>What several slices of the page say in the same words.</summary>
internal static class PageText
{
    /// <summary>The guarantees on a database, by party.</summary>
    public static string Guaranteed(Budget budget) =>
        string.Join(", ", budget.Guaranteed.OrderBy(party => party.Key, StringComparer.Ordinal).Select(party => $"{Wording.Number(party.Value)} to {party.Key}"));

    /// <summary>Why nothing new is shown while the ledger does not answer.</summary>
    public static string LedgerAway(LedgerException exception) => $"The broker's ledger does not answer: nothing new is promised. {exception.Message}";

    /// <summary>A time to the minute, with its date unless that is today.</summary>
    public static string Minute(DateTimeOffset time, DateTimeOffset now) =>
        time.UtcDateTime.ToString(time.UtcDateTime.Date == now.UtcDateTime.Date ? "HH:mm 'UTC'" : "yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>An engine's usual name.</summary>
    public static string Engine(DatabaseEngineKind engine) => engine switch
    {
        DatabaseEngineKind.PostgreSql => "PostgreSQL",
        DatabaseEngineKind.MySql => "MySQL or MariaDB",
        DatabaseEngineKind.MongoDb => "MongoDB",
        _ => engine.ToString(),
    };

    /// <summary>A time to the second.</summary>
    public static string Moment(DateTimeOffset? time) => time?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";
}
