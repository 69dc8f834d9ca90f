using System.Diagnostics;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Broker.Tests.Contracts;
using Npgsql;
using Shouldly;

namespace Broker.Tests.Databases;

/// <summary>The contract on PostgreSQL.</summary>
public sealed class PostgreSqlEngineTests(SharedServers servers) : DatabaseEngineContract
{
    protected override async Task<EngineBench> SetUpAsync() =>
        new Bench(new PostgreSqlEngine(TimeProvider.System), await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation));

    private sealed record Bench(PostgreSqlEngine PostgreSql, PostgresFixture Postgres)
        : EngineBench(PostgreSql, Postgres.Database, Postgres.Name + "-")
    {
        public override (int Limit, int Reserved) Limits => (400, 3);

        public override string RefusedStatement => "SELECT no_such_column";

        public override IReadOnlyList<string> CreateUser(Login login, DateTimeOffset validUntil) =>
        [
            $"CREATE ROLE \"{login.Username}\" LOGIN PASSWORD '{login.Password.Reveal().Replace("'", "''", StringComparison.Ordinal)}' "
            + $"VALID UNTIL '{StatementTemplate.Expiration(validUntil)}'",
        ];

        public override async Task<Func<Task<bool>>> OpenSessionAsync(Login login)
        {
            var session = await Postgres.OpenAsync(login, Cancellation);
            return () => PostgresFixture.AnswersAsync(session, Cancellation);
        }

        public override async Task<IReadOnlyDictionary<string, string>> WhoAmIAsync(ConnectionStrings strings) => new Dictionary<string, string>
        {
            ["uri"] = await PsqlAsync(strings.Uri!),
            ["adoNet"] = await NpgsqlAsync(strings.AdoNet),
            ["jdbc"] = await NpgsqlAsync(FromJdbc(strings.Jdbc!)),
            // libpq reads keywords and values as Go's drivers do; an SQLAlchemy URL is libpq's but for the driver's name.
            ["go"] = await PsqlAsync(strings.Go!),
            ["python"] = await PsqlAsync(strings.Python!.Replace("postgresql+psycopg://", "postgresql://", StringComparison.Ordinal)),
        };

        public override async ValueTask DisposeAsync()
        {
            await PostgreSql.DisposeAsync();
            await Postgres.DisposeAsync();
        }

        private static async Task<string> PsqlAsync(string uri)
        {
            var start = new ProcessStartInfo("psql", ["-X", "-w", "-A", "-t", "-c", "SELECT current_user", "-d", uri])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var psql = Process.Start(start)!;
            var (output, error) = (psql.StandardOutput.ReadToEndAsync(Cancellation), psql.StandardError.ReadToEndAsync(Cancellation));
            await psql.WaitForExitAsync(Cancellation);
            return psql.ExitCode == 0 ? (await output).TrimEnd('\n') : throw new InvalidOperationException(await error);
        }

        private static async Task<string> NpgsqlAsync(string connectionString)
        {
            var settings = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false };
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(Cancellation);
            await using var command = new NpgsqlCommand("SELECT current_user::text", connection);
            return (string)(await command.ExecuteScalarAsync(Cancellation))!;
        }

        /// <summary>Reads the URL as the Java driver does: java.net.URLDecoder, for which a plus sign is a space.</summary>
        private static string FromJdbc(string jdbc)
        {
            var url = new Uri(jdbc["jdbc:".Length..]);
            var values = url.Query.TrimStart('?').Split('&').Select(pair => pair.Split('=', 2))
                .ToDictionary(pair => pair[0], pair => System.Net.WebUtility.UrlDecode(pair[1]));
            return new NpgsqlConnectionStringBuilder
            {
                Host = url.Host,
                Port = url.Port,
                Database = System.Net.WebUtility.UrlDecode(url.AbsolutePath.TrimStart('/')),
                Username = values["user"],
                Password = values["password"],
            }.ConnectionString;
        }
    }
}
