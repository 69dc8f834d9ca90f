using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Broker.Core.Catalog;

namespace Broker.Core.Audit.Sinks;

/// <summary>
/// Syslog by RFC 5424: one message per line, over TCP (octet counting, RFC 6587), UDP (RFC 5426) or a local socket. UDP and a
/// local socket never report a lost message; only TCP notices a server that is gone, and only at the next batch.
/// </summary>
internal sealed class SyslogSink(SyslogSettings settings) : IAuditSink
{
    private const int Notice = 5;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    // "{"time":"2026-03-01T12:00:00.1234567Z": RFC 5424 allows at most six digits of a second.
    private static readonly Range Time = 9..35;

    private readonly bool counted = settings.Address.Scheme == "tcp";
    private readonly ArrayBufferWriter<byte> buffer = new(64 * 1024);
    private readonly byte[] priority = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"<{settings.Facility * 8 + Notice}>1 "));
    private readonly byte[] origin = Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"Z {Printable(Environment.MachineName)} broker {Environment.ProcessId} audit - "));

    private Socket? socket;

    /// <inheritdoc/>
    public string Name => "syslog";

    /// <inheritdoc/>
    public void Append(ReadOnlySpan<byte> lines)
    {
        try
        {
            var connected = Connected();
            while (lines.IndexOf((byte)'\n') is var end and >= 0)
            {
                Add(lines[..end]);
                lines = lines[(end + 1)..];
                if (counted) continue;
                connected.Send(buffer.WrittenSpan);
                buffer.ResetWrittenCount();
            }

            for (var left = buffer.WrittenSpan; left.Length > 0;) left = left[connected.Send(left)..];
        }
        catch
        {
            Close();
            throw;
        }
        finally
        {
            buffer.ResetWrittenCount();
        }
    }

    public void Dispose() => Close();

    private void Add(ReadOnlySpan<byte> line)
    {
        var time = line.Length > Time.End.Value ? line[Time] : "1970-01-01T00:00:00.000000"u8;
        if (counted)
        {
            Span<byte> count = stackalloc byte[12];
            (priority.Length + time.Length + origin.Length + line.Length).TryFormat(count, out var digits, default, CultureInfo.InvariantCulture);
            buffer.Write(count[..digits]);
            buffer.Write(" "u8);
        }

        buffer.Write(priority);
        buffer.Write(time);
        buffer.Write(origin);
        buffer.Write(line);
    }

    private Socket Connected()
    {
        // A server that went away ends its stream, which nothing else would read.
        if (socket is not null && counted && socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0) Close();
        return socket ??= settings.Address.Scheme switch
        {
            "unix" => Local(settings.Address.LocalPath),
            "udp" => Remote(SocketType.Dgram, ProtocolType.Udp),
            _ => Remote(SocketType.Stream, ProtocolType.Tcp),
        };
    }

    private Socket Remote(SocketType type, ProtocolType protocol)
    {
        var addresses = Dns.GetHostAddresses(settings.Address.DnsSafeHost);
        if (addresses.Length == 0) throw new IOException($"{settings.Address.Host} has no address");
        return Open(new Socket(addresses[0].AddressFamily, type, protocol), new IPEndPoint(addresses[0], settings.Address.Port));
    }

    private static Socket Local(string path) => Open(new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified), new UnixDomainSocketEndPoint(path));

    private static Socket Open(Socket made, EndPoint to)
    {
        try
        {
            made.SendTimeout = (int)Deadline.TotalMilliseconds;
            made.Blocking = false;
            try
            {
                made.Connect(to);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
            {
                if (!made.Poll(Deadline, SelectMode.SelectWrite)) throw new IOException($"{to} does not answer");
                if ((int)made.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! is not 0 and var error) throw new SocketException(error);
            }

            made.Blocking = true;
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    private void Close()
    {
        socket?.Dispose();
        socket = null;
    }

    private static string Printable(string name) => string.Concat(name.Where(char.IsAscii).Where(letter => letter > ' ').Take(255)) is { Length: > 0 } text ? text : "-";
}
