using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Broker.Tests.Page;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A broker behind a real nginx, which keeps its connections to it and shares them among its clients.</summary>
public sealed class BehindNginxTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // nginx takes a body of a megabyte by default. With its own buffering off, the broker answers while the body is still on its way.
    [Theory]
    [InlineData("")]
    [InlineData("proxy_request_buffering off;")]
    public async Task A_body_that_is_refused_unread_costs_nobody_else_an_answer(string options)
    {
        await using var world = new BrokerWorld(("Proxies:0", "127.0.0.1/32"));
        await using var nginx = await LocalNginx.StartAsync(await world.ListeningReplicaAsync(), options, Cancel);
        using var client = new HttpClient { BaseAddress = nginx.Address };
        var body = new string('x', 1_000_000);
        var pod = world.Pod();

        await Parallel.ForAsync(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancel }, async (i, cancel) =>
        {
            (await StatusAsync(null, "/api/v1/roles/orders-api/credentials", body, cancel)).ShouldBe(HttpStatusCode.Unauthorized);
            (await StatusAsync(pod, "/api/v1/roles/orders-api/credentials", body, cancel)).ShouldBe(HttpStatusCode.RequestEntityTooLarge);
            (await StatusAsync(null, "/v1/auth/kubernetes/login", body, cancel)).ShouldBe(HttpStatusCode.RequestEntityTooLarge);
            (await StatusAsync(pod, "/api/v1/roles/orders-api/credentials", "{}", cancel)).ShouldBe(HttpStatusCode.OK);
        });

        async Task<HttpStatusCode> StatusAsync(string? token, string path, string content, CancellationToken cancel)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(content, Encoding.UTF8, "application/json") };
            if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await client.SendAsync(request, cancel);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task What_happens_to_a_holder_is_told_at_once()
    {
        await using var world = new BrokerWorld(("Proxies:0", "127.0.0.1/32"));
        await using var nginx = await LocalNginx.StartAsync(await world.ListeningReplicaAsync(), cancellation: Cancel);
        using var client = new HttpClient { BaseAddress = nginx.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", world.Pod());
        var holder = (string)(await world.ClaimAsync(client, world.Pod())).Body["holder"]!["id"]!;
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/holders/{holder}/watch");
        request.Headers.Accept.Add(new("text/event-stream"));

        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var stream = new StreamReader(await answer.Content.ReadAsStreamAsync(Cancel));
        (await stream.ReadLineAsync(Cancel)).ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task The_page_is_live()
    {
        await using var server = await PageServer.StartAsync();
        await using var nginx = await LocalNginx.StartAsync(server.Address, cancellation: Cancel);
        using var client = new HttpClient { BaseAddress = nginx.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.TokenOf("viewers"));

        // A reader that stands still for so long is told much at once, whatever the proxy does.
        var (told, stoodStill) = await FirstLumpAsync();
        for (var again = 0; told >= 15 && stoodStill && again < 5; again++) (told, stoodStill) = await FirstLumpAsync();

        told.ShouldBeLessThan(15, "a proxy that holds events back has all of half a minute's, one a second, in one lump");

        async Task<(int Told, bool StoodStill)> FirstLumpAsync()
        {
            var from = Stopwatch.GetTimestamp();
            using var answer = await client.GetAsync(new Uri("/page/live", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Cancel);
            await using var stream = await answer.Content.ReadAsStreamAsync(Cancel);
            var buffer = new byte[64 * 1024];
            while (true)
            {
                var lump = await stream.ReadAsync(buffer, Cancel);
                lump.ShouldBeGreaterThan(0, "the stream goes on for half a minute");
                if (Encoding.UTF8.GetString(buffer, 0, lump).Split("event: same").Length - 1 is > 0 and var events)
                    return (events, Stopwatch.GetElapsedTime(from) > TimeSpan.FromSeconds(10));
            }
        }
    }

    [Fact]
    public async Task The_audit_has_the_clients_own_address_and_none_that_it_makes_up()
    {
        await using var world = new BrokerWorld(("Proxies:0", "127.0.0.1/32"));
        await using var nginx = await LocalNginx.StartAsync(await world.ListeningReplicaAsync(), cancellation: Cancel);
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = static async (context, cancel) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
                await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler) { BaseAddress = nginx.Address };
        client.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.7");

        (await world.ClaimAsync(client, world.Pod())).Status.ShouldBe(200);

        var lines = world.AuditLines();
        lines.ShouldContain(static line => line.Contains("\"127.0.0.2\"", StringComparison.Ordinal));
        lines.ShouldNotContain(static line => line.Contains("203.0.113.7", StringComparison.Ordinal));
    }
}
