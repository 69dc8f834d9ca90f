using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Tests.Databases;
using LoadTests.LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>What the documented clients do when both logins' connections may not be open at once, and when they are given fewer: told by a broker of the test's own.</summary>
public sealed class ClientsOverlapTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(ClientsTests.Languages), MemberType = typeof(ClientsTests))]
    public async Task Without_an_overlap_the_old_connections_are_closed_first_and_fewer_are_fewer(string language)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(postgres, Cancellation);
        var (old, next) = (await bench.CreateLoginAsync("old", "", Cancellation), await bench.CreateLoginAsync("next", "", Cancellation));
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        JsonObject Grant(Login login, int connections, bool rotate) => new()
        {
            ["rotate"] = rotate,
            ["overlapSeconds"] = 0,
            ["lease"] = new JsonObject { ["id"] = login.Username },
            ["holder"] = new JsonObject { ["id"] = "holder", ["renewAfterSeconds"] = 600 },
            ["connections"] = connections,
            ["credentials"] = new JsonObject
            {
                ["username"] = login.Username,
                ["drivers"] = new JsonObject(engine.Describe(bench.Database, login, connections).Drivers.Where(driver => driver.Text is not null).Select(driver => KeyValuePair.Create(driver.Driver, (JsonNode?)driver.Text))),
            },
        };

        await using var broker = await FakeBroker.StartAsync(Grant(old, 4, rotate: false));
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, "token", Cancellation);
        await using var client = await ClientProgram.StartAsync(language, broker.Address, "role", token, Cancellation);
        (await client.AnotherUserAsync("", Cancellation)).ShouldBe(old.Username);
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Old >= 2, "it works with several connections", Cancellation);

        var both = new ConcurrentQueue<(long Old, long OldAtWork, long Next)>();
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var watch = Task.Run(
            async () =>
            {
                while (!watching.IsCancellationRequested) both.Enqueue(await CountAsync(bench));
            },
            Cancellation);
        await broker.TellAsync("rotate", Grant(next, 2, rotate: true));
        (await client.AnotherUserAsync(old.Username, Cancellation)).ShouldBe(next.Username);
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Next == 2, "it works with both of its connections", Cancellation);
        await broker.TellAsync("renewed", Grant(next, 1, rotate: false));
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Next == 1, "it keeps one", Cancellation, TimeSpan.FromSeconds(60));
        await watching.CancelAsync();
        await watch;

        // The server needs a moment to see a closed connection off: what is at work counts.
        both.ShouldAllBe(seen => seen.OldAtWork == 0 || seen.Next == 0);
        both.ShouldAllBe(seen => seen.Old <= 4 && seen.Next <= 2);
        (await CountAsync(bench)).Old.ShouldBe(0);
        client.Failures.ShouldBeEmpty();
        await client.StopAsync(Cancellation);
        broker.Released.ShouldBeTrue();
        File.Delete(token);
    }

    private static async Task<(long Old, long OldAtWork, long Next)> CountAsync(PostgresFixture bench)
    {
        var text = await bench.AskAsync<string>(
            """
            SELECT (count(*) FILTER (WHERE usename LIKE '%-old')) || ' ' || (count(*) FILTER (WHERE usename LIKE '%-old' AND state = 'active')) || ' ' || (count(*) FILTER (WHERE usename LIKE '%-next')) FROM pg_stat_activity
            """,
            CancellationToken.None);
        var counts = text!.Split(' ').Select(count => long.Parse(count, null)).ToArray();
        return (counts[0], counts[1], counts[2]);
    }

    /// <summary>Grants once, and tells who watches what the test says.</summary>
    private sealed class FakeBroker(WebApplication app, Channel<string> events) : IAsyncDisposable
    {
        public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

        public bool Released { get; private set; }

        public static async Task<FakeBroker> StartAsync(JsonObject grant)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            var app = builder.Build();
            app.Urls.Add("http://127.0.0.1:0");
            var broker = new FakeBroker(app, Channel.CreateUnbounded<string>());
            app.MapPost("/api/v1/roles/role/credentials", (HttpContext context) => AnswerAsync(context, grant));
            app.MapGet("/api/v1/holders/holder/watch", broker.WatchAsync);
            app.MapDelete("/api/v1/holders/holder", (HttpContext context) =>
            {
                broker.Released = true;
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                return Task.CompletedTask;
            });
            await app.StartAsync(Cancellation);
            return broker;
        }

        public ValueTask TellAsync(string kind, JsonObject data) => events.Writer.WriteAsync($"event: {kind}\ndata: {data.ToJsonString()}\n\n", Cancellation);

        public async ValueTask DisposeAsync()
        {
            events.Writer.TryComplete();
            await app.DisposeAsync();
        }

        private static Task AnswerAsync(HttpContext context, JsonObject grant)
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(grant.ToJsonString());
        }

        private async Task WatchAsync(HttpContext context)
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(": here\n\n");
            await context.Response.Body.FlushAsync();
            try
            {
                await foreach (var told in events.Reader.ReadAllAsync(context.RequestAborted))
                {
                    await context.Response.WriteAsync(told);
                    await context.Response.Body.FlushAsync();
                }
            }
            catch (OperationCanceledException)
            {
                // Nobody listens any more.
            }
        }
    }
}
