using System.Net;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>L10: a client that is slow, half gone or no client at all is cut off in time, and harms nobody else.</summary>
public sealed class SlowAndBrokenClientsTests(RunningBroker broker)
{
    [Fact]
    public async Task L10_Bodies_and_heads_that_stall_or_trickle_are_answered_408_and_others_are_unharmed()
    {
        await using var empty = await OpenAsync();
        await using var begun = await OpenAsync();
        await using var trickle = await OpenAsync();
        await using var head = await OpenAsync();

        await empty.SendAsync($"{empty.ClaimHead}Content-Length: 100\r\n\r\n");
        await begun.SendAsync($"{begun.ClaimHead}Content-Length: 100\r\n\r\n{{\"connections\"");
        await trickle.SendAsync($"{trickle.ClaimHead}Content-Length: 10000\r\n\r\n");
        var trickling = trickle.TrickleAsync(new string(' ', 1_000), TimeSpan.FromMilliseconds(100));
        await head.SendAsync(head.ClaimHead);
        var answering = Task.WhenAll(empty.ReadAsync(), begun.ReadAsync(), trickle.ReadAsync(), head.ReadToEndAsync());

        using var other = await broker.PodAsync();
        while (!answering.IsCompleted)
        {
            (await other.ClaimAsync("{}")).StatusCode.ShouldBe(HttpStatusCode.OK);
            await Task.WhenAny(answering, Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, TestContext.Current.CancellationToken));
        }

        var answers = await answering;
        answers.ShouldAllBe(answer => answer.StartsWith("HTTP/1.1 408", StringComparison.Ordinal));
        foreach (var answer in answers[..2]) answer.ShouldContain("\"code\":\"invalid-request\"");
        await trickle.DisposeAsync();
        await Should.NotThrowAsync(async () =>
        {
            try
            {
                await trickling;
            }
            catch (ObjectDisposedException)
            {
                // Our own end of it.
            }
        });
    }

    [Fact]
    public async Task A_client_that_ends_its_half_is_answered_or_taken_for_gone_and_can_ask_again()
    {
        await using var connection = await OpenAsync();
        await connection.SendAsync($"{connection.ClaimHead}Content-Length: 2\r\n\r\n{{}}");
        connection.EndSending();

        // The server sees the end of the one half as the end of the client, sooner or later than it answers.
        (await connection.ReadToEndAsync()).ShouldMatch("^(HTTP/1.1 200 |$)");

        await using var again = await RawConnection.OpenAsync(await broker.AddressAsync(), connection.Token);
        await again.SendAsync($"{again.ClaimHead}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}");
        (await again.ReadToEndAsync()).ShouldStartWith("HTTP/1.1 200");
        (await broker.LogAsync()).ShouldNotContain("a fault in the broker");
    }

    [Fact]
    public async Task A_client_that_ends_its_half_amid_a_body_gets_no_grant()
    {
        await using var connection = await OpenAsync();
        await connection.SendAsync($"{connection.ClaimHead}Content-Length: 100\r\n\r\n{{\"connections\":2");
        connection.EndSending();
        (await connection.ReadToEndAsync()).ShouldNotContain(" 200 ");
        (await broker.LogAsync()).ShouldNotContain("a fault in the broker");
    }

    [Theory]
    [InlineData("\u0000\u0001\u0002\r\n\r\n")]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n")]
    [InlineData("GET /%00 HTTP/1.1\r\nHost: broker\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: broker\r\nBroken header\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: broker\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: broker\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    public async Task What_is_no_HTTP_is_refused_and_the_connection_closed(string sent)
    {
        await using var connection = await OpenAsync();
        await connection.SendAsync(sent);
        (await connection.ReadToEndAsync()).ShouldMatch("^(HTTP/1.1 (400|505) |$|\u0000)");
    }

    [Fact]
    public async Task Garbage_behind_a_request_leaves_its_answer_whole_and_ends_the_connection()
    {
        await using var connection = await OpenAsync();
        await connection.SendAsync($"{connection.ClaimHead}Content-Length: 2\r\n\r\n{{}}\u0000\u0000garbage\r\n\r\n");

        var answers = await connection.ReadToEndAsync();

        answers.ShouldStartWith("HTTP/1.1 200");
        answers.ShouldContain("\"credentials\"");
        answers.ShouldContain("HTTP/1.1 400");
    }

    [Fact]
    public async Task A_body_with_two_lengths_is_never_read_two_ways()
    {
        await using var connection = await OpenAsync();
        await connection.SendAsync($"{connection.ClaimHead}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: broker\r\n\r\n");

        // RFC 9112, 6.3: chunked wins, or the request is refused; either way the length is not believed.
        (await connection.ReadToEndAsync()).ShouldNotContain("smuggled");
    }

    // More than a claim's body may have, less than is read for nobody.
    [Theory]
    [InlineData("GET", "/openapi/v1.json", true, "200")]
    [InlineData("GET", "/openapi/v1.json", false, "200")]
    [InlineData("GET", "/v1/sys/health", true, "200")]
    [InlineData("GET", "/v1/sys/health", false, "200")]
    [InlineData("POST", "/nowhere", true, "404")]
    [InlineData("POST", "/nowhere", false, "404")]
    [InlineData("POST", "/api/v1/roles/orders-api/rotate", true, "403")]
    [InlineData("POST", "/api/v1/roles/orders-api/rotate", false, "403")]
    public async Task A_body_that_nobody_reads_costs_no_answer_and_no_connection(string method, string path, bool told, string status)
    {
        var identity = await broker.IdentityAsync();
        await using var connection = await RawConnection.OpenAsync(await broker.AddressAsync(), path.StartsWith("/openapi", StringComparison.Ordinal) ? identity.ViewerToken() : identity.PodToken(broker.NextPod()), room: 4096);
        var body = new string('x', 20_000);

        await connection.SendAsync($"{method} {path} HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer {connection.Token}\r\n{(told ? "Content-Length: 20000" : "Transfer-Encoding: chunked")}\r\n\r\n{(told ? body : $"4e20\r\n{body}\r\n0\r\n\r\n")}");
        await connection.SendAsync("GET /health/live HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n");

        var answers = await connection.ReadToEndAsync();
        answers.ShouldStartWith($"HTTP/1.1 {status} ");
        answers.Split("HTTP/1.1 ").Length.ShouldBe(3, answers);
        answers.ShouldEndWith("0\r\n\r\n");
    }

    private async Task<RawConnection> OpenAsync() =>
        await RawConnection.OpenAsync(await broker.AddressAsync(), (await broker.IdentityAsync()).PodToken(broker.NextPod()));
}
