using System.ComponentModel;
using System.Data.Common;
using System.Reflection;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Tests.Drivers;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Driver;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;
using MySqlView = Broker.Core.Databases.MySql.PodView;
using PostgreSqlView = Broker.Core.Databases.PostgreSql.PodView;

namespace Broker.Tests.Databases;

/// <summary>
/// Every option that a driver knows, in the administrator's connection string: what the trial of a login does with it, and what pods are
/// told. An option that a later version of a driver brings fails here until somebody has decided about it.
/// </summary>
public sealed class EveryOptionTests
{
    private static readonly Login User = new("u", new("p"));

    // Option, a value that is not its default, and what of it the trial of a login has ("=": the same) and a pod's string (null: nothing).
    private static readonly (string Option, string Value, string? Trial, string? Pods)[] OfNpgsql =
    [
        ("Host", "pg", "pg", "pg"),
        ("Port", "5433", "5433", "5433"),
        ("Database", "postgres", "app", "app"),
        ("Username", "admin", "u", "u"),
        ("Password", "hush", "p", "p"),
        ("Passfile", "/home/broker/.pgpass", null, null),
        ("Application Name", "dba", "broker", "orders/pod-1"),
        ("Enlist", "False", "=", null),
        ("Search Path", "secret", null, null),
        ("Client Encoding", "LATIN1", null, null),
        ("Encoding", "latin1", "=", null),
        ("Timezone", "Europe/Zurich", null, null),
        ("SSL Mode", "VerifyFull", "=", "="),
        ("SSL Negotiation", "Direct", "=", "="),
        ("GSS Encryption Mode", "Require", "=", "="),
        ("SSL Certificate", "/broker.crt", "=", null),
        ("SSL Key", "/broker.key", "=", null),
        ("SSL Password", "key", "=", null),
        ("Root Certificate", "/ca.crt", "=", null),
        ("Check Certificate Revocation", "True", "=", "="),
        ("Kerberos Service Name", "pg", "=", "="),
        ("Include Realm", "True", "=", null),
        ("Persist Security Info", "True", "=", null),
        ("Log Parameters", "True", "=", null),
        ("Include Error Detail", "True", "=", null),
        ("Include Failed Batched Command", "True", "=", null),
        ("Channel Binding", "Require", "=", "="),
        ("Require Auth", "ScramSHA256", "=", "="),
        ("Pooling", "False", "False", null),
        ("Minimum Pool Size", "1", "0", null),
        ("Maximum Pool Size", "50", "=", "7"),
        ("Connection Idle Lifetime", "17", "=", null),
        ("Connection Pruning Interval", "7", "=", null),
        ("Connection Lifetime", "17", "=", null),
        ("Timeout", "17", "5", null),
        ("Command Timeout", "17", "5", null),
        ("Cancellation Timeout", "17", "=", null),
        ("Target Session Attributes", "primary", "=", "="),
        ("Load Balance Hosts", "True", "=", "="),
        ("Host Recheck Seconds", "17", "=", null),
        ("Keepalive", "17", "=", null),
        ("TCP Keepalive", "True", "=", null),
        ("TCP Keepalive Time", "17000", "=", null),
        ("TCP Keepalive Interval", "17000", "=", null),
        ("Read Buffer Size", "17000", "=", null),
        ("Write Buffer Size", "17000", "=", null),
        ("Socket Receive Buffer Size", "17000", "=", null),
        ("Socket Send Buffer Size", "17000", "=", null),
        ("Max Auto Prepare", "17", "=", null),
        ("Auto Prepare Min Usages", "17", "=", null),
        ("No Reset On Close", "True", "=", null),
        ("Options", "-c role=dba endpoint=ep-1", "endpoint=ep-1", "endpoint=ep-1"),
        ("Array Nullability Mode", "Always", "=", null),
        ("Multiplexing", "True", "False", null),
        ("Write Coalescing Buffer Threshold Bytes", "17", "=", null),
        ("Load Table Composites", "True", "=", null),
        ("Server Compatibility Mode", "Redshift", "=", "="),
        ("Trust Server Certificate", "True", "=", null), // does nothing
        ("Internal Command Timeout", "17", "=", null), // does nothing
    ];

    private static readonly (string Option, string Value, string? Trial, string? Pods)[] OfMySqlConnector =
    [
        ("Server", "my", "my", "my"),
        ("Port", "3307", "3307", "3307"),
        ("User ID", "admin", "u", "u"),
        ("Password", "hush", "p", "p"),
        ("Database", "mysql", "app", "app"),
        ("Load Balance", "Random", "=", "="),
        ("Connection Protocol", "Pipe", "Sockets", null),
        ("Pipe Name", "pipe", "=", null),
        ("SSL Mode", "VerifyFull", "=", "="),
        ("Certificate File", "/broker.pfx", "=", null),
        ("Certificate Password", "key", "=", null),
        ("Certificate Store Location", "CurrentUser", "=", null),
        ("Certificate Thumbprint", "abc", "=", null),
        ("SSL Cert", "/broker.pem", "=", null),
        ("SSL Key", "/broker.key", "=", null),
        ("CA Certificate File", "/ca.pem", null, null), // it is read as SSL CA
        ("SSL CA", "/ca.pem", "=", null),
        ("Skip Certificate Revocation Check", "True", "=", "="),
        ("TLS Version", "TLS 1.3", "=", "="),
        ("TLS Cipher Suites", "TLS_AES_128_GCM_SHA256", "=", "="),
        ("Pooling", "False", "False", null),
        ("Connection Lifetime", "17", "=", null),
        ("Connection Reset", "False", "=", null),
        ("Defer Connection Reset", "True", "=", null), // does nothing
        ("Connection Idle Ping Time", "17", "=", null), // does nothing
        ("Connection Idle Timeout", "17", "=", null),
        ("Minimum Pool Size", "1", "0", null),
        ("Maximum Pool Size", "50", "=", "7"),
        ("DNS Check Interval", "17", "=", null),
        ("Allow Load Local Infile", "True", "=", null),
        ("Allow Public Key Retrieval", "True", "=", "="),
        ("Allow User Variables", "True", "=", null),
        ("Allow Zero DateTime", "True", "=", null),
        ("Application Name", "dba", "broker", "orders/pod-1"),
        ("Auto Enlist", "False", "=", null),
        ("Cancellation Timeout", "17", "=", null),
        ("Character Set", "latin1", "=", null),
        ("Connection Timeout", "17", "5", null),
        ("Convert Zero DateTime", "True", "=", null),
        ("DateTime Kind", "Utc", "=", null),
        ("Default Command Timeout", "17", "5", null),
        ("Force Synchronous", "True", "=", null),
        ("GUID Format", "None", "=", null),
        ("Ignore Command Transaction", "True", "=", null),
        ("Ignore Prepare", "True", "=", null),
        ("Interactive Session", "True", "=", null),
        ("Keep Alive", "17", "=", null),
        ("No Backslash Escapes", "True", "=", "="),
        ("Old Guids", "True", "=", null),
        ("Persist Security Info", "True", "=", null),
        ("Pipelining", "False", "=", "="),
        ("Server Redirection Mode", "Required", "=", "="),
        ("Server RSA Public Key File", "/rsa.pem", "=", null),
        ("Server SPN", "mariadb/host", "=", null),
        ("Treat Tiny As Boolean", "False", "=", null),
        ("Use Affected Rows", "True", "=", null),
        ("Use Compression", "True", "=", null),
        ("Use XA Transactions", "False", "=", null),
    ];

    // Options and what a pod's URI has of them. From https://www.mongodb.com/docs/manual/reference/connection-string-options/, and those that
    // .NET's driver has of its own.
    public static TheoryData<string, string> OfMongoDb => new()
    {
        { "replicaSet=rs0", "replicaSet=rs0" },
        { "REPLICASET=rs0", "replicaSet=rs0" },
        { "tls=true", "tls=true" },
        { "ssl=true", "tls=true" },
        { "tls=false", "tls=false" },
        { "tls=true&tlsCertificateKeyFile=/broker.pem&tlsCertificateKeyFilePassword=key", "tls=true" },
        { "tls=true&tlsCAFile=/ca.pem", "tls=true" },
        { "tls=true&tlsAllowInvalidCertificates=true", "tls=true&tlsInsecure=true" },
        { "tls=true&tlsAllowInvalidHostnames=true", "tls=true&tlsAllowInvalidHostnames=true" },
        { "tls=true&tlsInsecure=true", "tls=true&tlsInsecure=true" },
        { "tls=true&sslVerifyCertificate=false", "tls=true&tlsInsecure=true" },
        { "tls=true&sslVerifyCertificate=true", "tls=true" },
        { "tls=true&tlsDisableOCSPEndpointCheck=true", "tls=true" },
        { "tls=true&tlsDisableCertificateRevocationCheck=true", "tls=true" }, // but .NET's
        { "connectTimeoutMS=1&connectTimeout=1s", "" },
        { "socketTimeoutMS=1&socketTimeout=1s&timeoutMS=1&timeout=1s", "" },
        { "compressors=zstd&zlibCompressionLevel=9", "" },
        { "minPoolSize=3&maxPoolSize=50&maxConnecting=2&maxIdleTimeMS=1&maxIdleTime=1s&maxLifeTime=1s", "" },
        { "waitQueueMultiple=1&waitQueueTimeoutMS=1", "" },
        { "w=majority", "w=majority" },
        { "wtimeoutMS=500", "wtimeoutMS=500" },
        { "wtimeout=5s", "wtimeoutMS=5000" },
        { "wtimeout=500ms", "wtimeoutMS=500" },
        { "journal=true", "journal=true" },
        { "j=true", "journal=true" },
        { "J=false", "journal=false" },
        { "fsync=true", "" }, // of servers that are no more
        { "readConcernLevel=majority", "readConcernLevel=majority" },
        { "readPreference=secondary&maxStalenessSeconds=120", "readPreference=secondary&maxStalenessSeconds=120" },
        { "readPreference=secondary&maxStaleness=2m", "readPreference=secondary&maxStalenessSeconds=120" },
        { "readPreference=nearest&readPreferenceTags=dc:ny&readPreferenceTags=rack:1", "readPreference=nearest&readPreferenceTags=dc:ny&readPreferenceTags=rack:1" },
        { "authSource=other", "" }, // AuthSource of the database
        { "authMechanism=SCRAM-SHA-256", "authMechanism=SCRAM-SHA-256" },
        { "authMechanism=MONGODB-X509&authSource=%24external", "" },
        { "authMechanism=GSSAPI&authSource=%24external&authMechanismProperties=SERVICE_NAME:other", "" },
        { "authMechanism=PLAIN&authSource=%24external", "" },
        { "localThresholdMS=30", "localThresholdMS=30" },
        { "localThreshold=30ms", "localThresholdMS=30" },
        { "secondaryAcceptableLatencyMS=30", "localThresholdMS=30" },
        { "serverSelectionTimeoutMS=1&heartbeatFrequencyMS=1000&serverMonitoringMode=poll", "" },
        { "appName=dba", "" },
        { "retryReads=false", "retryReads=false" },
        { "retryWrites=false", "retryWrites=false" },
        { "uuidRepresentation=standard", "" },
        { "directConnection=true", "directConnection=true" },
        { "loadBalanced=true", "loadBalanced=true" },
        { "proxyHost=proxy&proxyPort=1081&proxyUsername=broker&proxyPassword=hush", "" },
        { "somethingNew=1", "" },
    };

    [Fact]
    public void PostgreSQL_every_option_of_the_driver_is_decided_about()
    {
        OfNpgsql.Select(one => one.Option).ShouldBe(KnownTo<NpgsqlConnectionStringBuilder>(), ignoreOrder: true);
        foreach (var (option, value, trial, pods) in OfNpgsql)
        {
            var with = option switch
            {
                "Host" or "Port" => "",
                "Target Session Attributes" or "Load Balance Hosts" => "Host=pg,pg2;",
                "Kerberos Service Name" => "Host=pg;GSS Encryption Mode=Require;",
                "SSL Negotiation" or "Check Certificate Revocation" or "Root Certificate" => "Host=pg;SSL Mode=VerifyFull;",
                _ => "Host=pg;",
            };
            var database = Of(DatabaseEngineKind.PostgreSql, option == "Port" ? 5433 : 5432, $"{with}{option}={value}", option is "Target Session Attributes" or "Load Balance Hosts" ? "pg,pg2" : "pg");
            IsCarried(option, value, PostgreSqlView.LoginSettings(database, User), trial, PostgreSql(database), pods);
            if (new PostgreSqlEngine(TimeProvider.System).Describe(database, User, 7).Of("npgsql<10") is not { } before) continue;
            foreach (var version in OlderNpgsql.All) Should.NotThrow(() => version.Connect(before), $"{version.Name}: {before}").Dispose();
        }
    }

    [Fact]
    public void MySQL_every_option_of_the_driver_is_decided_about()
    {
        OfMySqlConnector.Select(one => one.Option).ShouldBe(KnownTo<MySqlConnectionStringBuilder>(), ignoreOrder: true);
        foreach (var (option, value, trial, pods) in OfMySqlConnector)
        {
            var with = option switch
            {
                "Server" or "Port" => "",
                "Load Balance" => "Server=my,my2;",
                "Skip Certificate Revocation Check" => "Server=my;SSL Mode=VerifyFull;",
                _ => "Server=my;",
            };
            var database = Of(DatabaseEngineKind.MySql, option == "Port" ? 3307 : 3306, $"{with}{option}={value}", option == "Load Balance" ? "my,my2" : "my");
            IsCarried(option, value, MySqlView.LoginSettings(database, User), trial, MySql(database), pods);
        }
    }

    [Theory]
    [MemberData(nameof(OfMongoDb))]
    public void MongoDB_every_option_of_URIs_is_decided_about(string options, string pods)
    {
        var database = Of(DatabaseEngineKind.MongoDb, 27017, $"mongodb://{(options.Contains("X509", StringComparison.Ordinal) ? "admin" : "admin:hush")}@mongo/?{options}", "mongo");
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var uri = engine.Describe(database, User, 7).Uri!;

        uri.ShouldBe("mongodb://u:p@mongo:27017/app?authSource=admin&maxPoolSize=7" + (pods.Length > 0 ? "&" + pods : ""));
        if (!options.Contains('/', StringComparison.Ordinal)) Should.NotThrow(() => MongoDbEngine.LoginSettings(database, User)); // files are not there
    }

    [Fact]
    public void MongoDB_a_login_is_tried_through_the_administrators_proxy_and_the_grant_says_that_there_is_one()
    {
        var database = Of(DatabaseEngineKind.MongoDb, 27017, "mongodb://admin:hush@mongo/?proxyHost=proxy&proxyPort=1081&proxyUsername=broker&proxyPassword=secret", "mongo");
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var proxy = MongoDbEngine.LoginSettings(database, User).Socks5ProxySettings;

        (proxy.Host, proxy.Port).ShouldBe(("proxy", 1081));
        engine.Describe(database, User, 7).Drivers.ShouldAllBe(one => one.Note!.Contains("SOCKS5 proxy") && !one.Text!.Contains("proxy"));
    }

    [Theory]
    [InlineData("tls=true&tlsAllowInvalidCertificates=true", true)]
    [InlineData("tls=true&sslVerifyCertificate=false", true)]
    [InlineData("tlsInsecure=true", true)]
    [InlineData("tls=true", false)]
    [InlineData("tls=true&tlsAllowInvalidHostnames=true", false)]
    public void MongoDB_the_administrators_own_connection_verifies_as_its_URI_says(string options, bool insecure)
    {
        var database = Of(DatabaseEngineKind.MongoDb, 27017, "mongodb://admin:hush@mongo/?" + options, "mongo");
        var settings = MongoClientSettings.FromUrl(AdminClients.Settings(database));

        TlsFiles.Apply(database, settings, UriOptions.Of(database));

        (settings.UseTls, settings.AllowInsecureTls).ShouldBe((true, insecure));
    }

    [Fact]
    public void MongoDB_whether_revoked_certificates_are_looked_up_goes_to_DotNets_driver_and_is_said_beside_the_others()
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        IReadOnlyList<DriverString> Of(string options) =>
            engine.Describe(EveryOptionTests.Of(DatabaseEngineKind.MongoDb, 27017, "mongodb://admin:hush@mongo/?" + options, "mongo"), User, 7).Drivers;

        var asked = Of("tls=true&tlsDisableCertificateRevocationCheck=false");
        asked.Single(one => one.Driver == MongoConnectionStrings.Own).ShouldSatisfyAllConditions(
            one => one.Text!.ShouldContain("&tlsDisableCertificateRevocationCheck=false"),
            one => one.Note.ShouldBeNull());
        asked.Where(one => one.Driver != MongoConnectionStrings.Own).ShouldAllBe(one => one.Note!.Contains("revoked") && !one.Text!.Contains("Revocation"));
        Of("tls=true").ShouldAllBe(one => one.Note == null && !one.Text!.Contains("Revocation"));
    }

    [Fact]
    public void MongoDB_a_URI_that_is_none_is_named_when_a_login_is_tried()
    {
        var refusal = Should.Throw<DatabaseException>(() => MongoDbEngine.LoginSettings(Of(DatabaseEngineKind.MongoDb, 27017, "mongodb://admin:hush@mongo/?wtimeout=soon", "mongo"), User));

        refusal.Message.ShouldContain("AdminConnectionString is not a MongoDB URI");
        refusal.Message.ShouldNotContain("hush");
    }

    [Theory]
    [InlineData("Random", true)]
    [InlineData("LeastConnections", true)]
    [InlineData("FailOver", false)]
    [InlineData("RoundRobin", false)]
    public void MySQL_drivers_that_take_hosts_in_their_order_say_so_where_another_way_is_wanted(string way, bool said)
    {
        var engine = new MySqlEngine(TimeProvider.System);
        var drivers = engine.Describe(Of(DatabaseEngineKind.MySql, 3306, $"Server=my,my2;Load Balance={way}", "my,my2"), User, 7).Drivers;

        foreach (var driver in new[] { "connector/j", "mariadb/j" })
            (drivers.Single(one => one.Driver == driver).Note?.Contains("in order", StringComparison.Ordinal) ?? false).ShouldBe(said);
    }

    [Theory]
    [InlineData("AllowPublicKeyRetrieval=True", true)]
    [InlineData("AllowPublicKeyRetrieval=False", false)]
    public void MySQL_s_shell_asks_for_the_servers_key_where_the_administrator_does(string option, bool asks) =>
        new MySqlEngine(TimeProvider.System).Describe(Of(DatabaseEngineKind.MySql, 3306, $"Server=my;{option}", "my"), User, 7).Of("mysqlsh")!
            .Contains("get-server-public-key=true", StringComparison.Ordinal).ShouldBe(asks);

    private static Database Of(DatabaseEngineKind engine, int port, string administrator, string host) => new()
    {
        Name = "orders",
        Engine = engine,
        Host = host,
        Port = port,
        DatabaseName = "app",
        AdminConnectionString = new(administrator),
        Budget = new(),
        Issuing = new(),
    };

    private static DbConnectionStringBuilder PostgreSql(Database database) =>
        new NpgsqlConnectionStringBuilder(new PostgreSqlEngine(TimeProvider.System).Describe(database, User, 7, "orders/pod-1").AdoNet);

    private static DbConnectionStringBuilder MySql(Database database) =>
        new MySqlConnectionStringBuilder(new MySqlEngine(TimeProvider.System).Describe(database, User, 7, "orders/pod-1").AdoNet);

    private static void IsCarried(string option, string value, DbConnectionStringBuilder trial, string? inTrial, DbConnectionStringBuilder pods, string? inPods)
    {
        Written(trial, option).ShouldBe(inTrial == "=" ? value : inTrial, $"{option} in the trial");
        Written(pods, option).ShouldBe(inPods == "=" ? value : inPods, $"{option} for pods");
    }

    // Null where the option is at its default, too: a default is nowhere written.
    private static string? Written(DbConnectionStringBuilder builder, string option) =>
        builder.ContainsKey(option) && builder.ShouldSerialize(option) ? builder[option] switch { null or "" => null, var value => value.ToString() } : null;

    private static IEnumerable<string> KnownTo<T>() =>
        typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Select(property => property.GetCustomAttribute<DisplayNameAttribute>()?.DisplayName!)
            .Where(name => name is { Length: > 0 });
}
