using System.Buffers.Binary;
using System.Text;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// A connection to the console of one PgBouncer (its database <c>pgbouncer</c>). The console speaks PostgreSQL's simple query protocol alone
/// (https://www.pgbouncer.org/usage.html#admin-console), which Npgsql does not use for commands; this class does, and no more than the console
/// needs: rows of texts.
/// </summary>
internal sealed class PoolerConsole : IAsyncDisposable
{
    private readonly ProtocolConnection connection;
    private readonly string where;

    private PoolerConsole(ProtocolConnection connection, string where) => (this.connection, this.where) = (connection, where);

    /// <summary>Connects and logs in.</summary>
    /// <exception cref="DatabaseException">It is not there, or refuses.</exception>
    public static async Task<PoolerConsole> OpenAsync(Database database, ServerAddress server, NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        var where = $"Database '{database.Name}': the pooler's console at {server}";
        var peer = new ProtocolPeer(
            where,
            "refused the broker's login, check ConsoleConnectionString and admin_users",
            "has no TLS, but ConsoleConnectionString requires it (client_tls_sslmode).",
            "set auth_type = scram-sha-256 in its configuration.");
        var connection = await ProtocolConnection.OpenAsync(peer, server, settings, cancellation);
        try
        {
            await connection.LogInAsync(new(settings.ConnectionString) { Database = "pgbouncer", Options = null }, cancellation);
            return new(connection, where);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Runs commands of the console, in one piece: nothing comes between them. Each row of the last answer has its values by column name.
    /// </summary>
    /// <exception cref="DatabaseException">It is not there, or refuses one of them.</exception>
    public async Task<IReadOnlyList<IReadOnlyDictionary<string, string>>> AskAsync(CancellationToken cancellation, params string[] commands)
    {
        await connection.SendAsync('Q', commands.Select(command => (byte[])[.. Encoding.UTF8.GetBytes(command), 0]), cancellation);
        DatabaseException? refused = null;
        var rows = new List<IReadOnlyDictionary<string, string>>();
        foreach (var command in commands)
        {
            rows.Clear();
            string[] columns = [];
            while (await connection.ReceiveAsync(cancellation) is var (kind, body) && kind != 'Z')
            {
                if (kind == 'T') columns = Read(() => ColumnsOf(body));
                if (kind == 'D') rows.Add(Read(() => RowOf(columns, body)));
                if (kind == 'E') refused ??= new(DatabaseFailure.StatementRefused, $"{where} refused {command}: {ProtocolConnection.WordsOf(body)}");
            }
        }

        return refused is null ? rows : throw refused;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    // A message may claim more content than it has.
    private T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new DatabaseException(DatabaseFailure.Unavailable, $"{where} does not speak PostgreSQL's protocol.", exception);
        }
    }

    // The number of columns; for each its name, and 18 bytes without meaning here.
    private static string[] ColumnsOf(ReadOnlySpan<byte> body)
    {
        var columns = new string[BinaryPrimitives.ReadInt16BigEndian(body)];
        body = body[2..];
        for (var i = 0; i < columns.Length; i++)
        {
            var end = body.IndexOf((byte)0);
            columns[i] = Encoding.UTF8.GetString(body[..end]);
            body = body[(end + 19)..];
        }

        return columns;
    }

    // The number of values; for each its length (-1: null) and its text.
    private static Dictionary<string, string> RowOf(string[] columns, ReadOnlySpan<byte> body)
    {
        var row = new Dictionary<string, string>(StringComparer.Ordinal);
        body = body[2..];
        foreach (var column in columns)
        {
            var length = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(body));
            row[column] = Encoding.UTF8.GetString(body.Slice(4, length));
            body = body[(4 + length)..];
        }

        return row;
    }
}
