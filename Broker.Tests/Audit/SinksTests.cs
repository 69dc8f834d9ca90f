using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Audit;
using Broker.Core.Audit.Reading;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>Where the audit goes besides a file, against servers that really listen.</summary>
public sealed partial class SinksTests : IDisposable
{
    private readonly AuditFolder folder = new();
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Syslog_over_tcp_gets_counted_messages_of_rfc_5424()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var received = ReadAllAsync(server);
        await using (var audit = Open(new() { Path = null, Syslog = To($"tcp://127.0.0.1:{Port(server)}") }))
        {
            for (var number = 0; number < 3; number++) await audit.WriteAsync(AuditFolder.Record($"ü{number}"), Cancel);
        }

        var messages = Counted(await received);
        messages.ShouldAllBe(message => Rfc5424().IsMatch(message));
        messages.Select(message => Rfc5424().Match(message).Groups["msg"].Value).Where(line => !AuditFolder.IsOfChain(line))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("holderId").GetString()).ShouldBe(["ü0", "ü1", "ü2"]);
    }

    [Theory]
    [InlineData("udp")]
    [InlineData("unix")]
    public async Task Syslog_by_datagrams_gets_a_message_a_datagram(string kind)
    {
        var path = Path.Combine(folder.Root, "log");
        using var server = kind == "udp"
            ? new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
            : new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        server.Bind(kind == "udp" ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path));
        var address = kind == "udp" ? $"udp://127.0.0.1:{((IPEndPoint)server.LocalEndPoint!).Port}" : $"unix://{path}";

        await using var audit = Open(new() { Path = null, Syslog = To(address) });
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);

        var buffer = new byte[65536];
        string[] messages = [await ReceiveAsync(), await ReceiveAsync()];
        messages.ShouldAllBe(message => Rfc5424().IsMatch(message));
        messages[1].ShouldContain("\"holderId\":\"H1\"");

        async Task<string> ReceiveAsync()
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            deadline.CancelAfter(TimeSpan.FromMinutes(5));
            return Encoding.UTF8.GetString(buffer, 0, await server.ReceiveAsync(buffer, deadline.Token));
        }
    }

    [Fact]
    public async Task Otlp_gets_every_line_as_the_body_of_a_log_record()
    {
        await using var collector = await Collector.StartAsync();
        await using (var audit = Open(new() { Path = null, Otlp = new(collector.Address) }))
        {
            await audit.WriteAsync(AuditFolder.Record("H\"1\""), Cancel);
        }

        var lines = collector.Lines();
        lines.Where(line => !AuditFolder.IsOfChain(line)).ShouldHaveSingleItem().ShouldContain("H\\\"1\\\"");
        await File.WriteAllLinesAsync(folder.Path, lines, Cancel);
        ChainVerifier.Verify([folder.Path], null).Problems.ShouldBeEmpty("what a collector has can be verified like a file");
    }

    [Theory]
    [InlineData("""{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}""", 200)]
    [InlineData("", 503)]
    public async Task L7_A_collector_that_does_not_take_a_record_refuses_the_request(string answer, int status)
    {
        await using var collector = await Collector.StartAsync();
        (collector.Answer, collector.Status) = (answer, status);
        await using var audit = Open(new() { Path = null, Otlp = new(collector.Address) });

        await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("H1"), Cancel).AsTask());
    }

    [Fact]
    public async Task L7_One_sink_that_takes_the_record_is_enough_and_none_refuses()
    {
        await using var collector = await Collector.StartAsync();
        collector.Status = 503;
        await using var audit = Open(new() { Path = folder.Path, Otlp = new(collector.Address) });

        await audit.WriteAsync(AuditFolder.Record("file only"), Cancel);
        folder.Events.ShouldBe([5005]);
        audit.Sinks.ShouldBe([new(folder.Path, IsUp: true), new("otlp", IsUp: false)]);

        Directory.CreateDirectory(folder.Path + ".gone");
        File.Move(folder.Path, folder.Path + ".gone/audit.jsonl");
        Directory.CreateDirectory(folder.Path);
        time.Advance(TimeSpan.FromSeconds(2));
        await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("nobody"), Cancel).AsTask());

        collector.Status = 200;
        await audit.WriteAsync(AuditFolder.Record("collector only"), Cancel);
        Directory.Delete(folder.Path);
        File.Move(folder.Path + ".gone/audit.jsonl", folder.Path);
        time.Advance(TimeSpan.FromSeconds(2));
        await audit.WriteAsync(AuditFolder.Record("both"), Cancel);
        audit.Sinks.ShouldAllBe(static sink => sink.IsUp);

        AuditFolder.Holders(folder.Path).ShouldBe(["file only", "both"]);
        collector.Lines().Where(line => !AuditFolder.IsOfChain(line)).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("holderId").GetString())
            .ShouldBe(["collector only", "both"]);
        ChainVerifier.Verify([folder.Path], null).Problems.ShouldBeEmpty("the file says itself what it lost");
    }

    [Fact]
    public async Task A_sink_that_is_away_does_not_hold_up_every_batch()
    {
        await using var collector = await Collector.StartAsync();
        collector.Status = 503;
        await using var audit = Open(new() { Path = folder.Path, Otlp = new(collector.Address) });

        for (var number = 0; number < 20; number++) await audit.WriteAsync(AuditFolder.Record($"{number}"), Cancel);
        collector.Asked.ShouldBe(1, "it is asked again after a second");
    }

    private JsonLinesAudit Open(AuditSettings settings) => new(settings, time, folder);

    private static SyslogSettings To(string address) => new() { Address = new Uri(address) };

    private static int Port(TcpListener server) => ((IPEndPoint)server.LocalEndpoint).Port;

    private static async Task<byte[]> ReadAllAsync(TcpListener server)
    {
        using var client = await server.AcceptTcpClientAsync(Cancel);
        using var all = new MemoryStream();
        await client.GetStream().CopyToAsync(all, Cancel);
        return all.ToArray();
    }

    private static List<string> Counted(byte[] stream)
    {
        var messages = new List<string>();
        for (var left = stream.AsSpan(); left.Length > 0;)
        {
            var space = left.IndexOf((byte)' ');
            var length = int.Parse(left[..space], CultureInfo.InvariantCulture);
            messages.Add(Encoding.UTF8.GetString(left.Slice(space + 1, length)));
            left = left[(space + 1 + length)..];
        }

        return messages;
    }

    [GeneratedRegex(@"\A<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]{1,255} broker \d+ audit - (?<msg>\{.*\})\z", RegexOptions.Singleline)]
    private static partial Regex Rfc5424();

    private sealed class Collector(WebApplication server) : IAsyncDisposable
    {
        private readonly ConcurrentQueue<string> lines = new();
        private int asked;

        public Uri Address => new(server.Urls.Single());

        public int Status { get; set; } = 200;

        public string Answer { get; set; } = "{}";

        public int Asked => asked;

        public string[] Lines() => [.. lines];

        public static async Task<Collector> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var collector = new Collector(app);
            app.MapPost("/v1/logs", collector.TakeAsync);
            await app.StartAsync(Cancel);
            return collector;
        }

        public ValueTask DisposeAsync() => server.DisposeAsync();

        private async Task TakeAsync(HttpContext context)
        {
            Interlocked.Increment(ref asked);
            using var json = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            if (Status == 200 && Answer == "{}")
            {
                foreach (var record in json.RootElement.GetProperty("resourceLogs")[0].GetProperty("scopeLogs")[0].GetProperty("logRecords").EnumerateArray())
                    lines.Enqueue(record.GetProperty("body").GetProperty("stringValue").GetString()!);
            }

            context.Response.StatusCode = Status;
            await context.Response.WriteAsync(Answer, context.RequestAborted);
        }
    }
}
