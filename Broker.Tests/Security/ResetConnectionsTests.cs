using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A client whose connection is reset, as that of a killed pod or of a proxy is: it is no fault of the broker's, and nothing stays behind for it.</summary>
public sealed class ResetConnectionsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/v1/roles/orders-api/credentials")]
    [InlineData("/v1/auth/kubernetes/login")]
    [InlineData("/v1/sys/leases/renew")]
    [InlineData("/kubernetes/admission")]
    public async Task A_reset_amid_a_body_is_no_fault(string path)
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        var address = await world.ListeningReplicaAsync();
        using var connections = new OpenConnections(address.Port);
        using (var client = new HttpClient { BaseAddress = address })
        {
            for (var reset = 0; reset < 20; reset++)
            {
                using var socket = await SendAsync(address, $"POST {path} HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer {world.Pod()}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"a");
                socket.LingerState = new LingerOption(true, 0);
            }

            (await world.ClaimAsync(client, world.Pod())).Status.ShouldBe(200);
        }

        await Eventually.HoldsAsync(() => Task.FromResult(connections.Seen > 20 && connections.Open <= 0), "every connection has ended", Cancel, connections.ToString);
        world.AuditLines().ShouldNotContain(line => line.Contains("\"httpStatus\":5", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_claim_in_line_whose_connection_is_reset_holds_up_nobody()
    {
        await using var world = new BrokerWorld(("Roles:orders-api:Connections:Max", "90"));
        var address = await world.ListeningReplicaAsync();
        using var client = new HttpClient { BaseAddress = address };
        (await world.ClaimAsync(client, world.Pod("uid-1"), body: new JsonObject { ["connections"] = 90 })).Status.ShouldBe(200);
        const string body = """{"connections":60,"minConnections":60}""";
        using (var socket = await SendAsync(
            address, $"POST /api/v1/roles/orders-api/credentials HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer {world.Pod("uid-2")}\r\nPrefer: wait=60\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"))
        {
            await Eventually.HoldsAsync(async () => await WaitingAsync() == 1, "it waits in line", Cancel);
            socket.LingerState = new LingerOption(true, 0);
        }

        await Eventually.HoldsAsync(async () => await WaitingAsync() == 0, "its place is given up", Cancel);
        // What is written down late would be there with what comes after it.
        (await world.ClaimAsync(client, world.Pod("uid-3"), body: new JsonObject { ["connections"] = 1 })).Status.ShouldBe(200);
        await Eventually.HoldsAsync(() => Task.FromResult(Array.Exists(world.Audited("claim"), record => (string?)record["caller"]!["podUid"] == "uid-3")), "the next claim is on record", Cancel);
        world.Audited("claim").ShouldNotContain(record => (string?)record["caller"]!["podUid"] == "uid-2", "it was told nothing: it left before its time was over");

        async Task<int> WaitingAsync() =>
            (int)(await world.SendAsync(client, HttpMethod.Get, "/api/v1/budgets/orders", world.Person("viewers"))).Body["waiting"]!;
    }

    private static async Task<Socket> SendAsync(Uri address, string text)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.Host, address.Port, Cancel);
        await socket.SendAsync(Encoding.ASCII.GetBytes(text), Cancel);
        return socket;
    }

    /// <summary>The connections that the web server on one port has open, by its own count.</summary>
    private sealed class OpenConnections : IDisposable
    {
        private readonly MeterListener listener = new();
        private readonly ConcurrentBag<long> changes = [];

        public OpenConnections(int port)
        {
            listener.InstrumentPublished = static (instrument, own) =>
            {
                if (instrument.Name == "kestrel.active_connections") own.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<long>((_, by, tags, _) =>
            {
                foreach (var tag in tags)
                {
                    if (tag.Key == "server.port" && Convert.ToInt32(tag.Value, System.Globalization.CultureInfo.InvariantCulture) == port) changes.Add(by);
                }
            });
            listener.Start();
        }

        public int Seen => changes.Count(by => by > 0);

        public long Open => changes.Sum();

        public void Dispose() => listener.Dispose();

        public override string ToString() => $"{Seen} connections were seen, {Open} are open";
    }
}
