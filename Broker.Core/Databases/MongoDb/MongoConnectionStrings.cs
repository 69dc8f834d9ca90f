using Broker.Core.Catalog;
using Broker.Core.Model;
using MongoDB.Driver;
using MongoDB.Driver.Core.Configuration;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// Writes a login down as MongoDB's URI, which every driver takes: https://www.mongodb.com/docs/manual/reference/connection-string/.
/// Pods that connect to one of the administrator's own servers get all of them, its replica set, its <c>mongodb+srv</c>, and its
/// <c>tls</c> and <c>retryWrites</c>.
/// </summary>
internal static class MongoConnectionStrings
{
    public static ConnectionStrings Of(Database database, Login login, int connections)
    {
        var uri = Uri(database, login, connections);
        return new(uri, uri, "jdbc:" + uri, uri, uri);
    }

    private static string Uri(Database database, Login login, int connections)
    {
        var administrator = AdminClients.Settings(database);
        var same = administrator.Servers.Any(server => server.Host == database.Host && (administrator.Scheme == ConnectionStringScheme.MongoDBPlusSrv || server.Port == database.Port));
        var seed = same && administrator.Scheme == ConnectionStringScheme.MongoDBPlusSrv;
        var scheme = seed ? "mongodb+srv" : "mongodb";
        var hosts = seed ? database.Host
            : same ? string.Join(',', administrator.Servers.Select(server => Address(server.Host, server.Port)))
            : Address(database.Host, database.Port);
        var options = new List<string> { $"authSource={Escaped(database.AuthSource)}", $"maxPoolSize={connections}" };
        if (same && administrator.ReplicaSetName is { Length: > 0 } set) options.Add($"replicaSet={Escaped(set)}");
        if (administrator.UseTls && !seed) options.Add("tls=true");
        if (administrator.RetryWrites == false) options.Add("retryWrites=false");
        return $"{scheme}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}@{hosts}/{Escaped(database.DatabaseName)}?{string.Join('&', options)}";
    }

    private static string Address(string host, int port) => host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{port}" : $"{host}:{port}";

    /// <summary>Everything but letters, digits and <c>- . _ ~</c> as percent-encoded UTF-8.</summary>
    private static string Escaped(string value) => System.Uri.EscapeDataString(value);
}
