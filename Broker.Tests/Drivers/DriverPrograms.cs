using System.Data.Common;
using System.Text;
using System.Text.Json;
using Broker.Core.Databases;
using Broker.Tests.Deployment;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Drivers;

/// <summary>What the server sees of a driver that connected with its string.</summary>
/// <param name="Driver">The driver.</param>
/// <param name="User">Who it is.</param>
/// <param name="Database">What it opened.</param>
/// <param name="Name">What its connection is called.</param>
/// <param name="Encrypted">Whether by TLS.</param>
/// <param name="Pool">The size of its pool; null when it takes none from its string, or is not asked.</param>
/// <param name="Error">Why it did not connect; null: it did.</param>
public sealed record Seen(string Driver, string? User, string? Database, string? Name, bool Encrypted, int? Pool, string? Error);

/// <summary>Real drivers of five languages, run as programs of their own (Programs/), all strings of a language by one.</summary>
public static class DriverPrograms
{
    private const string Install = "sudo apt-get install -y --no-install-recommends";
    private static readonly string Programs = Repository.PathOf("Broker.Tests/Drivers/Programs");
    private const string Jars = "/usr/share/java/postgresql.jar:/usr/share/java/mariadb-java-client.jar";

    // Made once for all tests.
    private static readonly Lazy<Task<string>> GoProgram = new(BuildGoAsync), JavaClasses = new(CompileJavaAsync);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    // The programs' drivers. psycopg (3) has no SQLAlchemy of its age in Debian: it reads libpq's string itself.
    private static readonly Dictionary<string, (string Driver, string Of)[]> ByLanguage = new()
    {
        ["python"] = [("psycopg2", "libpq"), ("psycopg", "libpq"), ("asyncpg", "asyncpg"), ("sqlalchemy+psycopg2", "sqlalchemy+psycopg2"), ("sqlalchemy+pymysql", "sqlalchemy+pymysql")],
        ["go"] = [("lib/pq", "lib/pq"), ("pgx", "pgx"), ("pgxpool", "pgxpool"), ("go-sql-driver<1.8", "go-sql-driver<1.8")],
        ["java"] = [("pgjdbc", "pgjdbc"), ("mariadb/j", "mariadb/j")],
        ["node"] = [("node-postgres", "node-postgres"), ("mysql2", "mysql2"), ("mariadb", "mariadb"), ("uri", "uri")],
    };

    /// <summary>Has every driver that is here connect with its string, where it has one.</summary>
    public static async Task<IReadOnlyList<Seen>> ConnectAsync(ConnectionStrings strings)
    {
        (string Driver, string Text)[] Of(string language) =>
            [.. ByLanguage[language].Where(driver => strings.Of(driver.Of) is not null && (driver.Driver != "uri" || strings.Of("mysql2") is not null)).Select(driver => (driver.Driver, strings.Of(driver.Of)!))];
        var seen = new List<Seen>();
        seen.AddRange(await DotNetAsync(strings));
        seen.AddRange(await JsonAsync("/usr/bin/python3", [Path.Combine(Programs, "drivers.py")], Of("python"), $"{Install} python3-psycopg2 python3-psycopg python3-asyncpg python3-pymysql python3-sqlalchemy"));
        if (Of("go") is { Length: > 0 } go) seen.AddRange(await JsonAsync(await GoProgram.Value, [], go, ""));
        seen.AddRange(await JavaAsync(Of("java")));
        Directory.Exists(Path.Combine(Programs, "node_modules")).ShouldBeTrue($"Node's drivers are not here: run 'npm ci' in {Programs}, as ./test.sh does.");
        seen.AddRange(await JsonAsync("node", [Path.Combine(Programs, "drivers.mjs")], Of("node"), $"{Install} nodejs npm"));
        return seen;
    }

    private static async Task<IReadOnlyList<Seen>> DotNetAsync(ConnectionStrings strings)
    {
        if (strings.Of("npgsql") is not null) return await NpgsqlAsync(strings);

        await using var mysql = new MySqlConnection(strings.Of("mysqlconnector") + ";Pooling=false");
        return
        [
            await AskAsync(
                "mysqlconnector",
                mysql,
                """
                SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), DATABASE(),
                  (SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'),
                  (SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER')
                """,
                (int)new MySqlConnectionStringBuilder(strings.Of("mysqlconnector")!).MaximumPoolSize),
        ];
    }

    private static async Task<IReadOnlyList<Seen>> NpgsqlAsync(ConnectionStrings strings)
    {
        const string Question = "SELECT current_user, current_database(), current_setting('application_name'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
        var npgsql = strings.Of("npgsql")!;
        await using var connection = new NpgsqlConnection(npgsql + ";Pooling=false");
        List<Seen> seen = [await AskAsync("npgsql", connection, Question, new NpgsqlConnectionStringBuilder(npgsql).MaxPoolSize)];
        if (strings.Of("npgsql<10") is not { } before) return seen;
        foreach (var version in OlderNpgsql.All)
        {
            await using var older = version.Connect(before + ";Pooling=false");
            seen.Add(await AskAsync(version.Name, older, Question, (int)version.Read(before)["Maximum Pool Size"]));
        }

        return seen;
    }

    private static async Task<Seen> AskAsync(string driver, DbConnection connection, string question, int pool)
    {
        try
        {
            await connection.OpenAsync(Cancellation);
            await using var command = connection.CreateCommand();
            command.CommandText = question;
            await using var row = await command.ExecuteReaderAsync(Cancellation);
            (await row.ReadAsync(Cancellation)).ShouldBeTrue();
            return new(driver, row.GetString(0), row.GetString(1), await row.IsDBNullAsync(2, Cancellation) ? null : row.GetString(2), Convert.ToBoolean(row.GetValue(3), System.Globalization.CultureInfo.InvariantCulture), pool, null);
        }
        catch (DbException failure)
        {
            return new(driver, null, null, null, false, null, failure.Message);
        }
    }

    private static async Task<IReadOnlyList<Seen>> JsonAsync(string program, string[] arguments, (string Driver, string Text)[] jobs, string install)
    {
        if (jobs.Length == 0) return [];
        return Read(await RunAsync(program, arguments, JsonSerializer.Serialize(jobs.Select(job => new { driver = job.Driver, text = job.Text })), install));
    }

    private static async Task<IReadOnlyList<Seen>> JavaAsync((string Driver, string Text)[] jobs)
    {
        if (jobs.Length == 0) return [];
        return Read(await RunAsync("java", [.. TestProgram.ShortJava, "-cp", $"{await JavaClasses.Value}:{Jars}", "Drivers"], string.Concat(jobs.Select(job => $"{job.Driver}\n{job.Text}\n")), $"{Install} default-jdk-headless"));
    }

    private static async Task<string> BuildGoAsync()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "drivers-in-go");
        await RunAsync(
            "go", ["build", "-o", program, Path.Combine(Programs, "drivers.go")], "",
            $"{Install} golang-go golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev golang-github-go-sql-driver-mysql-dev");
        return program;
    }

    private static async Task<string> CompileJavaAsync()
    {
        Jars.Split(':').ShouldAllBe(jar => File.Exists(jar), $"Install them: {Install} default-jdk-headless libpostgresql-jdbc-java libmariadb-java");
        var classes = TestProgram.Emptied("drivers-in-java");
        await RunAsync("javac", ["-d", classes, Path.Combine(Programs, "Drivers.java")], "", $"{Install} default-jdk-headless");
        return classes;
    }

    private static IReadOnlyList<Seen> Read(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<Seen>(line, Json)!)];

    private static Task<string> RunAsync(string program, string[] arguments, string input, string install) => TestProgram.RunAsync(
        program, arguments, install, input: input,
        environment: new Dictionary<string, string?>
        {
            ["GO111MODULE"] = "off",
            ["GOPATH"] = "/usr/share/gocode",
            ["GOCACHE"] = Path.Combine(Path.GetTempPath(), "broker-tests-gocache"),
            ["PGSSLROOTCERT"] = null,
        });
}
