using System.Data.Common;
using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>
/// Where a database's connections are counted, according to the configuration: hosts and ports, without user and password. Two databases with the same
/// endpoint are on one server; two with different endpoints may still be on one.
/// </summary>
internal static class CountedEndpoint
{
    private static readonly string[] HostKeys = ["Host", "Server", "Data Source", "DataSource", "Address", "Addr", "Network Address"];

    /// <summary>Such as <c>PostgreSql db:5432</c>.</summary>
    public static string Of(Database database)
    {
        var text = (database.ReplicaConnectionString ?? database.AdminConnectionString).Reveal();
        return $"{database.Engine} {(database.Engine == DatabaseEngineKind.MongoDb ? HostsOfUri(text) : HostsOf(text, database)).ToLowerInvariant()}";
    }

    // mongodb://user:password@one:27017,two:27017/database?options
    private static string HostsOfUri(string uri)
    {
        var rest = uri[(uri.IndexOf("//", StringComparison.Ordinal) is var at and >= 0 ? at + 2 : 0)..];
        rest = rest[..(rest.IndexOfAny(['/', '?']) is var end and >= 0 ? end : rest.Length)];
        return rest[(rest.LastIndexOf('@') + 1)..];
    }

    private static string HostsOf(string text, Database database)
    {
        var settings = new DbConnectionStringBuilder();
        try
        {
            settings.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            // The engine reports the error when it connects.
        }

        var host = HostKeys.Select(key => settings.TryGetValue(key, out var value) ? value.ToString() : null).FirstOrDefault(value => value is { Length: > 0 });
        var port = settings.TryGetValue("Port", out var own) ? own.ToString() : null;
        return host is null ? $"{database.Host}:{port ?? database.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)}" : $"{host}:{port ?? (database.Host == host ? database.Port.ToString(System.Globalization.CultureInfo.InvariantCulture) : "")}";
    }
}
