using System.Text.RegularExpressions;
using Broker.Api.Starting;
using MongoDB.Driver;
using MySqlConnector;
using Npgsql;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Starting;

/// <summary>Every environment variable that a client reads, as compiled: one that a later version brings fails here until somebody has decided about it.</summary>
public sealed partial class ClientVariablesTests
{
    // Beside these it looks where its files are.
    [Fact]
    public void What_PostgreSQLs_client_reads_is_forgotten() => Read<NpgsqlConnection>().ShouldBe([.. ClientVariables.OfPostgreSql, "HOME", "APPDATA", "PATH"], ignoreOrder: true);

    // Beside these it makes up a name for itself, and has one here.
    [Fact]
    public void What_Rediss_client_reads_is_forgotten() => Read<ConnectionMultiplexer>().ShouldBe([.. ClientVariables.OfRedis, "ComputerName", "Unknown"], ignoreOrder: true);

    // What its activities are called.
    [Fact]
    public void MySQLs_client_reads_nothing_of_its_connection() => Read<MySqlConnection>().ShouldBe(["OTEL_SEMCONV_STABILITY_OPT_IN"]);

    // It tells the server where it runs, and asks servers in turns where it may be put to sleep; Google's metadata are for encryption by the client. Which token MONGODB-OIDC
    // shows is asked for only by a string that says so.
    [Fact]
    public void MongoDBs_client_reads_where_it_runs_and_nothing_of_its_connection() => Read<MongoClient>().ShouldBe(
        [
            "AWS_EXECUTION_ENV", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "FUNCTIONS_WORKER_RUNTIME", "K_SERVICE", "FUNCTION_NAME", "FUNCTION_REGION", "VERCEL", "VERCEL_REGION",
            "KUBERNETES_SERVICE_HOST", "GCE_METADATA_HOST", "Google",
        ],
        ignoreOrder: true);

    private static IEnumerable<string> Read<TClient>() =>
        CompiledUses.TextsBeside(typeof(TClient).Assembly, nameof(Environment.GetEnvironmentVariable)).Where(text => Variable().IsMatch(text));

    [GeneratedRegex("^(SERedis_)?[A-Z][A-Za-z]*(_[A-Z]+)*$")]
    private static partial Regex Variable();
}
