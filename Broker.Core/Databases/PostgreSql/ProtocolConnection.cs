using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>The messages for when the other end does not behave as it should.</summary>
/// <param name="Where">Its name, as the beginning of a sentence.</param>
/// <param name="Refused">The continuation when it refuses the login, before its own words.</param>
/// <param name="NoTls">The continuation when it has no TLS, and that is demanded.</param>
/// <param name="NoScram">What to do when it demands anything but SCRAM-SHA-256.</param>
internal sealed record ProtocolPeer(string Where, string Refused, string NoTls, string NoScram);

/// <summary>
/// The part of PostgreSQL's protocol that Npgsql does not give access to: a login that reveals its proof, and raw messages. SCRAM-SHA-256 is the only
/// proof that it gives. Messages: https://www.postgresql.org/docs/current/protocol-message-formats.html.
/// </summary>
internal sealed class ProtocolConnection : IAsyncDisposable
{
    private const int LongestMessage = 1 << 20;

    private readonly ProtocolPeer peer;
    private Stream stream;

    private ProtocolConnection(Socket socket, ProtocolPeer peer)
    {
        this.peer = peer;
        stream = new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Connects, and encrypts as far as the settings say.</summary>
    /// <exception cref="DatabaseException">It is not there, or has no TLS.</exception>
    public static async Task<ProtocolConnection> OpenAsync(ProtocolPeer peer, ServerAddress server, NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        ProtocolConnection? connection = null;
        try
        {
            connection = new(await ConnectAsync(server, cancellation), peer);
            if (!server.IsSocket) await connection.EncryptAsync(server.Host, settings, cancellation);
            return connection;
        }
        catch (Exception exception)
        {
            if (connection is not null) await connection.DisposeAsync();
            if (!IsOfWay(exception, cancellation)) throw;
            throw Unanswered(peer, exception);
        }
    }

    /// <summary>Proves a password, and has the other end prove that it knows it.</summary>
    /// <exception cref="DatabaseException">It is not there, refuses, or does not prove itself.</exception>
    public async Task<ScramProof> ProveAsync(NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        try
        {
            var options = settings.Options is { Length: > 0 } said ? $"options\0{said}\0" : "";
            byte[] start = [0, 3, 0, 0, .. Encoding.UTF8.GetBytes($"user\0{settings.Username}\0database\0{settings.Database}\0application_name\0broker\0{options}\0")];
            await stream.WriteAsync(WithLength(start), cancellation);
            var proof = new ScramProof(settings.Password ?? "");
            while (true)
            {
                var (kind, body) = await ReadAsync(cancellation);
                if (kind == 'E') throw Refused(body);
                if (kind != 'R') continue;
                var text = Encoding.UTF8.GetString(body.AsSpan(4));
                switch (BinaryPrimitives.ReadInt32BigEndian(body))
                {
                    case 10 when text.Split('\0').Contains("SCRAM-SHA-256", StringComparer.Ordinal):
                        var first = Encoding.UTF8.GetBytes(proof.First);
                        var length = new byte[4];
                        BinaryPrimitives.WriteInt32BigEndian(length, first.Length);
                        await WriteAsync('p', [.. "SCRAM-SHA-256\0"u8, .. length, .. first], cancellation);
                        break;
                    case 11:
                        await WriteAsync('p', Encoding.UTF8.GetBytes(proof.Last(text)), cancellation);
                        break;
                    case 12 when proof.IsOfServer(text):
                        return proof;
                    default:
                        // A password in the clear, a hash that can be replayed, none at all: the other end could be anybody.
                        throw new DatabaseException(DatabaseFailure.LoginRefused, $"{peer.Where} does not authenticate by SCRAM-SHA-256: {peer.NoScram}");
                }
            }
        }
        catch (Exception exception) when (IsOfWay(exception, cancellation))
        {
            throw Unanswered(peer, exception);
        }
    }

    /// <summary>Logs in: afterwards it accepts commands.</summary>
    /// <exception cref="DatabaseException">As <see cref="ProveAsync"/>.</exception>
    public async Task LogInAsync(NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        await ProveAsync(settings, cancellation);
        while (true)
        {
            var (kind, body) = await ReceiveAsync(cancellation);
            if (kind == 'Z') return;
            if (kind == 'E') throw Refused(body);
        }
    }

    /// <summary>Sends messages of one kind, all in one piece.</summary>
    /// <exception cref="DatabaseException">The other end is not there.</exception>
    public async Task SendAsync(char kind, IEnumerable<byte[]> bodies, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync((byte[])[.. bodies.SelectMany(body => (byte[])[(byte)kind, .. WithLength(body)])], cancellation);
        }
        catch (Exception exception) when (IsOfWay(exception, cancellation))
        {
            throw Unanswered(peer, exception);
        }
    }

    /// <summary>Waits for one message.</summary>
    /// <exception cref="DatabaseException">The other end is not there, or does not speak the protocol.</exception>
    public async Task<(char Kind, byte[] Body)> ReceiveAsync(CancellationToken cancellation)
    {
        try
        {
            return await ReadAsync(cancellation);
        }
        catch (Exception exception) when (IsOfWay(exception, cancellation))
        {
            throw Unanswered(peer, exception);
        }
    }

    /// <summary>The text of an error message for people.</summary>
    public static string WordsOf(byte[] body) => FieldOf(body, 'M') ?? "no reason given";

    public ValueTask DisposeAsync() => stream.DisposeAsync();

    private static async Task<Socket> ConnectAsync(ServerAddress server, CancellationToken cancellation)
    {
        var socket = server.IsSocket ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (server.IsSocket) await socket.ConnectAsync(new UnixDomainSocketEndPoint(PathOf(server)), cancellation);
            else await socket.ConnectAsync(server.Host, server.Port, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // It may name the socket, or the folder that it is in.
    private static string PathOf(ServerAddress server) => Directory.Exists(server.Host) ? Path.Combine(server.Host, $".s.PGSQL.{server.Port}") : server.Host;

    private async Task EncryptAsync(string host, NpgsqlConnectionStringBuilder settings, CancellationToken cancellation)
    {
        if (settings.SslMode is SslMode.Disable or SslMode.Allow) return;
        var direct = settings.SslNegotiation == SslNegotiation.Direct;
        if (!direct)
        {
            byte[] request = [0, 0, 0, 8, 4, 210, 22, 47]; // SSLRequest
            await stream.WriteAsync(request, cancellation);
            var answer = new byte[1];
            await stream.ReadExactlyAsync(answer, cancellation);
            if (answer[0] != 'S')
            {
                if (settings.SslMode >= SslMode.Require) throw new DatabaseException(DatabaseFailure.LoginRefused, $"{peer.Where} {peer.NoTls}");
                return;
            }
        }

        var authority = settings.RootCertificate is { Length: > 0 } file ? new PrivateAuthority(file, _ => { }) : null;
        using var own = settings.SslCertificate is { Length: > 0 } shown ? CertificateOf(shown, settings) : null;
        var encrypted = new SslStream(stream, leaveInnerStreamOpen: false);
        stream = encrypted;
        await encrypted.AuthenticateAsClientAsync(
            new()
            {
                TargetHost = host,
                ApplicationProtocols = direct ? [new("postgresql")] : null,
                ClientCertificates = own is null ? null : [own],
                RemoteCertificateValidationCallback = (sender, certificate, chain, errors) => settings.SslMode switch
                {
                    SslMode.Prefer or SslMode.Require => true, // encrypted, without verification, as these words mean everywhere
                    SslMode.VerifyCA => Believes(sender, certificate, chain, errors & ~SslPolicyErrors.RemoteCertificateNameMismatch),
                    _ => Believes(sender, certificate, chain, errors),
                },
            },
            cancellation);

        bool Believes(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
            authority?.Accepts(sender, certificate, chain, errors) ?? errors == SslPolicyErrors.None;
    }

    // As Npgsql reads it: PEM, with its key beside it or in it, and else PKCS#12.
    private static X509Certificate2 CertificateOf(string file, NpgsqlConnectionStringBuilder settings) => Path.GetExtension(file).ToUpperInvariant() switch
    {
        ".PFX" or ".P12" => X509CertificateLoader.LoadPkcs12FromFile(file, settings.SslPassword),
        _ when settings.SslPassword is { Length: > 0 } password => X509Certificate2.CreateFromEncryptedPemFile(file, password, settings.SslKey),
        _ => X509Certificate2.CreateFromPemFile(file, settings.SslKey),
    };

    private Task WriteAsync(char kind, byte[] body, CancellationToken cancellation) =>
        stream.WriteAsync((byte[])[(byte)kind, .. WithLength(body)], cancellation).AsTask();

    private static byte[] WithLength(byte[] body)
    {
        var message = new byte[body.Length + 4];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        body.CopyTo(message, 4);
        return message;
    }

    private async Task<(char Kind, byte[] Body)> ReadAsync(CancellationToken cancellation)
    {
        var head = new byte[5];
        await stream.ReadExactlyAsync(head, cancellation);
        var length = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1)) - 4;
        if (length is < 0 or > LongestMessage) throw new InvalidDataException("it does not speak PostgreSQL's protocol");
        var body = new byte[length];
        await stream.ReadExactlyAsync(body, cancellation);
        return ((char)head[0], body);
    }

    // Each field has a letter and a text: https://www.postgresql.org/docs/current/protocol-error-fields.html.
    private static string? FieldOf(byte[] body, char letter) =>
        Encoding.UTF8.GetString(body).Split('\0').FirstOrDefault(field => field.StartsWith(letter)) is { } field ? field[1..] : null;

    // A server that is full, or is starting or stopping, says nothing about the login.
    private DatabaseException Refused(byte[] body)
    {
        var failure = (FieldOf(body, 'C') ?? "") switch
        {
            ['5', '3', ..] => DatabaseFailure.OutOfConnections,
            ['5', '7', ..] => DatabaseFailure.Unavailable,
            _ => DatabaseFailure.LoginRefused,
        };
        return new(failure, $"{peer.Where} {peer.Refused}: {WordsOf(body)}");
    }

    private static bool IsOfWay(Exception exception, CancellationToken cancellation) => exception switch
    {
        OperationCanceledException => !cancellation.IsCancellationRequested,
        SocketException or IOException or AuthenticationException or System.Security.Cryptography.CryptographicException or FormatException or InvalidDataException
            or ArgumentException or OverflowException or IndexOutOfRangeException or ObjectDisposedException => true,
        _ => false,
    };

    private static DatabaseException Unanswered(ProtocolPeer peer, Exception exception) =>
        new(DatabaseFailure.Unavailable, $"{peer.Where}: no answer; check that it runs and can be reached: {exception.Message}", exception);
}
