using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// A connection to the console of one PgBouncer (its database <c>pgbouncer</c>). The console speaks PostgreSQL's simple query protocol alone
/// (https://www.pgbouncer.org/usage.html#admin-console), which Npgsql does not use for commands; this does, and no more than the console
/// needs: SCRAM-SHA-256, and rows of texts. Messages: https://www.postgresql.org/docs/current/protocol-message-formats.html.
/// </summary>
internal sealed class PoolerConsole : IAsyncDisposable
{
    private const int LongestMessage = 1 << 20;

    private readonly TcpClient client;
    private readonly string where;
    private Stream stream;

    private PoolerConsole(TcpClient client, string where)
    {
        (this.client, this.where) = (client, where);
        stream = client.GetStream();
    }

    /// <summary>Connects and logs in.</summary>
    /// <exception cref="DatabaseException">It is not there, or refuses.</exception>
    public static async Task<PoolerConsole> OpenAsync(Database database, ServerAddress server, NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        var where = $"Database '{database.Name}': the pooler's console at {server}";
        var client = new TcpClient { NoDelay = true };
        PoolerConsole? console = null;
        try
        {
            await client.ConnectAsync(server.Host, server.Port, cancellation);
            console = new(client, where);
            await console.EncryptAsync(server.Host, settings, cancellation);
            await console.LogInAsync(settings, cancellation);
            return console;
        }
        catch (Exception exception)
        {
            if (console is not null) await console.DisposeAsync();
            client.Dispose();
            if (!IsOfWay(exception, cancellation)) throw;
            throw Unanswered(where, exception);
        }
    }

    /// <summary>Runs one command of the console; each row has its values by the names of the columns.</summary>
    /// <exception cref="DatabaseException">It is not there, or refuses.</exception>
    public async Task<IReadOnlyList<IReadOnlyDictionary<string, string>>> AskAsync(string command, CancellationToken cancellation)
    {
        try
        {
            await SendAsync('Q', [.. Encoding.UTF8.GetBytes(command), 0], cancellation);
            string[] columns = [];
            var rows = new List<IReadOnlyDictionary<string, string>>();
            DatabaseException? refused = null;
            while (true)
            {
                var (kind, body) = await ReceiveAsync(cancellation);
                switch (kind)
                {
                    case 'T':
                        columns = ColumnsOf(body);
                        break;
                    case 'D':
                        rows.Add(RowOf(columns, body));
                        break;
                    case 'E':
                        refused = new(DatabaseFailure.StatementRefused, $"{where} refused {command}: {WordsOf(body)}");
                        break;
                    case 'Z':
                        return refused is null ? rows : throw refused;
                }
            }
        }
        catch (Exception exception) when (IsOfWay(exception, cancellation))
        {
            throw Unanswered(where, exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        client.Dispose();
    }

    private async Task EncryptAsync(string host, NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        if (settings.SslMode is SslMode.Disable or SslMode.Allow) return;
        byte[] request = [0, 0, 0, 8, 4, 210, 22, 47]; // SSLRequest
        await stream.WriteAsync(request, cancellation);
        var answer = new byte[1];
        await stream.ReadExactlyAsync(answer, cancellation);
        if (answer[0] != 'S')
        {
            if (settings.SslMode >= SslMode.Require) throw new DatabaseException(DatabaseFailure.LoginRefused, $"{where} has no TLS, and ConsoleConnectionString demands it (client_tls_sslmode).");
            return;
        }

        var authority = settings.RootCertificate is { Length: > 0 } file ? new PrivateAuthority(file, _ => { }) : null;
        var encrypted = new SslStream(stream, leaveInnerStreamOpen: false);
        stream = encrypted;
        await encrypted.AuthenticateAsClientAsync(
            new()
            {
                TargetHost = host,
                RemoteCertificateValidationCallback = (sender, certificate, chain, errors) => settings.SslMode switch
                {
                    SslMode.Prefer or SslMode.Require => true, // encrypted, whoever it is, as the words mean everywhere
                    SslMode.VerifyCA => Believes(sender, certificate, chain, errors & ~SslPolicyErrors.RemoteCertificateNameMismatch),
                    _ => Believes(sender, certificate, chain, errors),
                },
            },
            cancellation);

        bool Believes(object sender, System.Security.Cryptography.X509Certificates.X509Certificate? certificate, System.Security.Cryptography.X509Certificates.X509Chain? chain, SslPolicyErrors errors) =>
            authority?.Accepts(sender, certificate, chain, errors) ?? errors == SslPolicyErrors.None;
    }

    private async Task LogInAsync(NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        byte[] start = [0, 3, 0, 0, .. Encoding.UTF8.GetBytes($"user\0{settings.Username}\0database\0pgbouncer\0application_name\0broker\0\0")];
        await stream.WriteAsync(WithLength(start), cancellation);
        var proof = new ScramProof(settings.Password ?? "");
        var proven = false;
        while (true)
        {
            var (kind, body) = await ReceiveAsync(cancellation);
            if (kind == 'Z') return;
            if (kind == 'E') throw new DatabaseException(DatabaseFailure.LoginRefused, $"{where} refused the broker's login, check ConsoleConnectionString and admin_users: {WordsOf(body)}");
            if (kind != 'R') continue;
            var what = BinaryPrimitives.ReadInt32BigEndian(body);
            var text = Encoding.UTF8.GetString(body.AsSpan(4));
            switch (what)
            {
                case 0 when proven:
                    break;
                case 10 when text.Split('\0').Contains("SCRAM-SHA-256", StringComparer.Ordinal):
                    var first = Encoding.UTF8.GetBytes(proof.First);
                    var length = new byte[4];
                    BinaryPrimitives.WriteInt32BigEndian(length, first.Length);
                    await SendAsync('p', [.. "SCRAM-SHA-256\0"u8, .. length, .. first], cancellation);
                    break;
                case 11:
                    await SendAsync('p', Encoding.UTF8.GetBytes(proof.Last(text)), cancellation);
                    break;
                case 12 when proof.IsOfServer(text):
                    proven = true;
                    break;
                default:
                    // A password in the clear, a hash that can be replayed, none at all: whoever answers there could be anybody.
                    throw new DatabaseException(DatabaseFailure.LoginRefused, $"{where} does not prove itself by SCRAM-SHA-256: set auth_type = scram-sha-256 in its configuration.");
            }
        }
    }

    private Task SendAsync(char kind, byte[] body, CancellationToken cancellation) =>
        stream.WriteAsync((byte[])[(byte)kind, .. WithLength(body)], cancellation).AsTask();

    private static byte[] WithLength(byte[] body)
    {
        var message = new byte[body.Length + 4];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        body.CopyTo(message, 4);
        return message;
    }

    private async Task<(char Kind, byte[] Body)> ReceiveAsync(CancellationToken cancellation)
    {
        var head = new byte[5];
        await stream.ReadExactlyAsync(head, cancellation);
        var length = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1)) - 4;
        if (length is < 0 or > LongestMessage) throw new InvalidDataException("it does not speak PostgreSQL's protocol");
        var body = new byte[length];
        await stream.ReadExactlyAsync(body, cancellation);
        return ((char)head[0], body);
    }

    // The number of columns; of each its name, and 18 bytes that say nothing here.
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

    // The number of values; of each its length (-1: null) and its text.
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

    // Fields of a letter and a text; M is what is meant for people.
    private static string WordsOf(byte[] body) =>
        Encoding.UTF8.GetString(body).Split('\0').FirstOrDefault(field => field.StartsWith('M')) is { } message ? message[1..] : "no reason given";

    private static bool IsOfWay(Exception exception, CancellationToken cancellation) => exception switch
    {
        OperationCanceledException => !cancellation.IsCancellationRequested,
        SocketException or IOException or AuthenticationException or FormatException or InvalidDataException or ArgumentException or OverflowException or IndexOutOfRangeException or ObjectDisposedException => true,
        _ => false,
    };

    private static DatabaseException Unanswered(string where, Exception exception) =>
        new(DatabaseFailure.Unavailable, $"{where}: no answer, check that it runs and can be reached: {exception.Message}", exception);
}
