using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MongoDB.Driver.Core.Configuration;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// Writes a login as MongoDB's URI, which every driver takes: https://www.mongodb.com/docs/manual/reference/connection-string/.
/// Pods that connect to one of the administrator's own servers get all of them, its replica set, its <c>mongodb+srv</c> and its options
/// for reading from the set. They get its encryption in any case; files are their own, and not every driver reads one.
/// </summary>
internal static class MongoConnectionStrings
{
    /// <summary>The driver whose string the broker itself can read.</summary>
    public const string Own = "mongo-csharp-driver";

    private static readonly ConnectionStrings.Aliases Named = new("pymongo", Own, "mongo-jdbc-driver", "mongo-go-driver", "pymongo");

    private const string Revocations = "tlsDisableCertificateRevocationCheck";

    // Other options that reach a server or choose among several; they go to pods unchanged.
    private static readonly string[] OfTheSet =
        ["replicaSet", "directConnection", "loadBalanced", "readPreference", "readPreferenceTags", "maxStalenessSeconds", "localThresholdMS", "srvServiceName", "srvMaxHosts"];

    private static readonly string[] OfTheServer = ["retryWrites", "retryReads", "w", "wtimeoutMS", "journal", "readConcernLevel"];

    public static ConnectionStrings Of(Database database, Login login, int connections, string? holder)
    {
        var administrator = AdminClients.Settings(database);
        var options = UriOptions.Of(database);
        var named = ServerAddress.ListOf(database.Host, database.Port);
        var same = administrator.Servers.Any(server => named.Any(host => host.Host.Equals(server.Host, StringComparison.OrdinalIgnoreCase) && (options.IsSeed || host.Port == server.Port)));
        var seed = same && administrator.Scheme == ConnectionStringScheme.MongoDBPlusSrv;
        IReadOnlyList<ServerAddress> servers = same && !seed && named.Count == 1 ? [.. administrator.Servers.Select(server => new ServerAddress(server.Host, server.Port))] : named;
        var ssl = database.Pods.SslMode ?? options.Ssl ?? PodSslMode.Prefer;
        var before = $"{(seed ? "mongodb+srv" : "mongodb")}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}@"
            + $"{(seed ? database.Host : string.Join(',', servers.Select(server => server.IsSocket ? Escaped(server.Host) : server.ToString())))}/{Escaped(database.DatabaseName)}";
        string Uri(string driver, bool readsFiles, bool tellsNames) => before + Plain(Query([
            ("authSource", database.AuthSource),
            ("maxPoolSize", connections.ToString(CultureInfo.InvariantCulture)),
            // A mechanism other than a password's is the administrator's own way of logging in.
            ("authMechanism", options["authMechanism"] is { } mechanism && mechanism.StartsWith("SCRAM-", StringComparison.OrdinalIgnoreCase) ? mechanism : null),
            .. OfTheSet.Where(_ => same).SelectMany(options.All, (name, value) => (name, (string?)value)),
            ("tls", ssl switch { PodSslMode.Disable => "false", PodSslMode.Prefer => null, _ => seed ? null : "true" }),
            ("tlsInsecure", ssl == PodSslMode.Require ? "true" : null),
            ("tlsAllowInvalidHostnames", ssl == PodSslMode.VerifyCA && tellsNames ? "true" : null),
            ("tlsCAFile", readsFiles && ssl >= PodSslMode.VerifyCA ? database.Pods.CaFile : null),
            ("tlsCertificateKeyFile", readsFiles ? database.Pods.CertificateFile : null),
            (Revocations, driver == Own && ssl >= PodSslMode.VerifyCA ? options[Revocations] : null),
            .. OfTheServer.Select(name => (name, options[name])),
            ("appName", holder),
        ]));

        var notes = Notes(
            ssl != PodSslMode.Disable && options["tlsCertificateKeyFile"] is not null && database.Pods.CertificateFile is null
                ? "The broker presents a client certificate to this server; pods that need one get it from Pods:CertificateFile in the broker's configuration."
                : null,
            ssl != PodSslMode.Disable && options["tlsCAFile"] is not null && database.Pods.CaFile is null
                ? NoAuthority
                : null,
            database.Pods.SslMode == PodSslMode.Prefer ? "It cannot prefer TLS, and connects without it." : null,
            options["proxyHost"] is null ? null : "The broker reaches this server through a SOCKS5 proxy (proxyHost), which pods are not told about: where they need one, set it in code.");
        DriverString For(string driver, bool readsFiles, bool tellsNames, string prefix = "") => new(driver, prefix + Uri(driver, readsFiles, tellsNames), Notes(
            notes,
            options.LooksUpRevocations && ssl >= PodSslMode.VerifyCA && driver != Own ? "It is not told to check whether the server's certificate was revoked: set that in code." : null,
            !readsFiles && ssl >= PodSslMode.VerifyCA && database.Pods.CaFile is not null ? "It reads no file of authorities from its URI: have the machine or the runtime trust the authority." : null,
            !readsFiles && database.Pods.CertificateFile is not null ? "It reads no client certificate from its URI: set it in code." : null,
            ssl == PodSslMode.VerifyCA && !tellsNames ? "It also checks the certificate's name." : null));
        return new(
            servers,
            [
                For("pymongo", true, true), For("mongodb-node", true, true), For("mongo-go-driver", true, false), For(Own, false, false),
                For("mongo-java-driver", false, true), For("mongo-jdbc-driver", false, true, "jdbc:"),
            ])
        {
            Named = Named,
        };
    }

    // PyMongo splits a list of tags (dc:ny,rack:1) before it decodes it, and in a query neither sign needs escaping (RFC 3986, 3.4).
    private static string Plain(string query) => query.Replace("%3A", ":", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal);
}
