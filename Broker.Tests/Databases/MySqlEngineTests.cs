using System.Net;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Broker.Tests.Contracts;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The contract on MariaDB, on a server of ours.</summary>
public sealed class MySqlEngineTests(SharedServers servers) : DatabaseEngineContract
{
    protected override async Task<EngineBench> SetUpAsync() => await MySqlEngineBench.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
}

/// <summary>The contract on the server that BROKER_TEST_MYSQL names, or on MySQL in a container.</summary>
public sealed class MySqlEngineOnNamedServerTests(SharedServers servers) : DatabaseEngineContract
{
    protected override async Task<EngineBench> SetUpAsync()
    {
        var server = await MySqlServer.NamedAsync(servers);
        Assert.SkipWhen(server is null, $"No Docker engine answers and {MySqlServer.Variable} names no MySQL server (Server=…;Port=3306;User ID=root;Password=…).");
        return await MySqlEngineBench.StartAsync(server, Cancellation);
    }
}

internal sealed record MySqlEngineBench(MySqlEngine MySql, MySqlFixture Bench, int MaxConnections) : EngineBench(MySql, Bench.Database, Bench.Name + "-")
{
    public static async Task<MySqlEngineBench> StartAsync(MySqlServer server, CancellationToken cancellation)
    {
        var bench = await MySqlFixture.StartAsync(server, cancellation);
        return new(new MySqlEngine(TimeProvider.System), bench, await bench.AskAsync<int>("SELECT @@max_connections", cancellation));
    }

    public override (int Limit, int Reserved) Limits => (MaxConnections, 0);

    public override bool UsersEnd => false;

    public override string RefusedStatement => "SELECT no_such_column";

    // go-sql-driver cannot be given a user name with a colon.
    public override string OddName => "us er@x/";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public override IReadOnlyList<string> CreateUser(Login login, DateTimeOffset validUntil) =>
    [
        $"CREATE USER '{login.Username}'@'%' IDENTIFIED BY '{Escaped(login.Password.Reveal())}'",
        $"GRANT ALL ON {Bench.Name}.* TO '{login.Username}'@'%'",
    ];

    public override async Task<Func<Task<bool>>> OpenSessionAsync(Login login)
    {
        var session = await Bench.OpenAsync(login, Cancellation);
        return () => MySqlFixture.AnswersAsync(session, Cancellation);
    }

    public override async Task<IReadOnlyDictionary<string, string>> WhoAmIAsync(ConnectionStrings strings) => new Dictionary<string, string>
    {
        ["uri"] = await WhoAsync(FromUri("mysql", strings.Uri!)),
        ["adoNet"] = await WhoAsync(new(strings.AdoNet)),
        ["jdbc"] = await WhoAsync(FromJdbc(strings.Jdbc!)),
        ["go"] = await WhoAsync(FromGo(strings.Go!)),
        // PyMySQL cannot send a password with other letters than ASCII's, and gets no string then.
        ["python"] = await WhoAsync(strings.Python is { } python ? FromUri("mysql+pymysql", python) : new(strings.AdoNet)),
    };

    public override async ValueTask DisposeAsync()
    {
        foreach (var user in await MySql.FindUsersAsync(Bench.Database, Bench.Name, CancellationToken.None))
            await MySql.DropUserAsync(Bench.Database, user.Username, [], null, CancellationToken.None);
        await MySql.DisposeAsync();
        await Bench.DisposeAsync();
    }

    private static string Escaped(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal);

    private static async Task<string> WhoAsync(MySqlConnectionStringBuilder settings)
    {
        settings.Pooling = false;
        await using var connection = new MySqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var command = new MySqlCommand("SELECT CURRENT_USER()", connection);
        return ((string)(await command.ExecuteScalarAsync(Cancellation))!)[..^"@%".Length];
    }

    /// <summary>Reads the URL as RFC 3986 has it: what stands between the delimiters is percent-encoded UTF-8.</summary>
    private static MySqlConnectionStringBuilder FromUri(string scheme, string text)
    {
        var url = new Uri(text);
        url.Scheme.ShouldBe(scheme);
        var user = url.UserInfo.Split(':', 2);
        return new()
        {
            Server = url.Host,
            Port = (uint)url.Port,
            Database = Uri.UnescapeDataString(url.AbsolutePath.TrimStart('/')),
            UserID = Uri.UnescapeDataString(user[0]),
            Password = Uri.UnescapeDataString(user[1]),
        };
    }

    /// <summary>Reads the URL as the Java drivers do: java.net.URLDecoder, for which a plus sign is a space.</summary>
    private static MySqlConnectionStringBuilder FromJdbc(string text)
    {
        var url = new Uri(text["jdbc:".Length..]);
        var values = url.Query.TrimStart('?').Split('&').Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => WebUtility.UrlDecode(pair[1]));
        return new()
        {
            Server = url.Host,
            Port = (uint)url.Port,
            Database = WebUtility.UrlDecode(url.AbsolutePath.TrimStart('/')),
            UserID = values["user"],
            Password = values["password"],
        };
    }

    /// <summary>Reads the text as ParseDSN of go-sql-driver/mysql does: the last slash, the last @ before it, the first colon before that.</summary>
    private static MySqlConnectionStringBuilder FromGo(string text)
    {
        var slash = text.LastIndexOf('/');
        var at = text.LastIndexOf('@', slash);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var address = text[(at + 1)..slash];
        address.ShouldStartWith("tcp(");
        var parts = address["tcp(".Length..^1].Split(':');
        return new()
        {
            Server = parts[0],
            Port = uint.Parse(parts[1], null),
            Database = Uri.UnescapeDataString(text[(slash + 1)..].Split('?')[0]),
            UserID = text[..colon],
            Password = text[(colon + 1)..at],
        };
    }
}
