using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Broker.Core.Databases;
using Broker.Core.Model;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>A broker of a test's own: refuses as often as it is told to, then grants always the same, and tells who watches what the test says.</summary>
internal sealed class FakeBroker(WebApplication app) : IAsyncDisposable
{
    // Who is silent for longer is taken for dead by the clients.
    private static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly List<string> told = [];
    private TaskCompletionSource more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile JsonObject toldLast = [];

    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public bool Released { get; private set; }

    /// <summary>The number of the last size that the client says it keeps to.</summary>
    public long Confirmed { get; private set; }

    /// <summary>When claims came.</summary>
    public ConcurrentQueue<long> Claims { get; } = [];

    public static JsonObject Grant(Login login, int connections, IEnumerable<DriverString> drivers, bool rotate = false, long allotment = 0) => new()
    {
        ["rotate"] = rotate,
        ["overlapSeconds"] = 0,
        ["lease"] = new JsonObject { ["id"] = login.Username },
        ["holder"] = new JsonObject { ["id"] = "holder", ["renewAfterSeconds"] = 600 },
        ["connections"] = connections,
        ["allotment"] = allotment,
        ["credentials"] = new JsonObject
        {
            ["username"] = login.Username,
            ["drivers"] = new JsonObject(drivers.Where(driver => driver.Text is not null).Select(driver => KeyValuePair.Create(driver.Driver, (JsonNode?)driver.Text))),
        },
    };

    /// <summary>Starts it.</summary>
    /// <param name="grant">What it grants.</param>
    /// <param name="refusals">What it says before: each once.</param>
    public static async Task<FakeBroker> StartAsync(JsonObject grant, params (int Status, int? RetryAfterSeconds)[] refusals)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var broker = new FakeBroker(app);
        app.MapPost("/api/v1/roles/role/credentials", (HttpContext context) =>
        {
            broker.Claims.Enqueue(Environment.TickCount64);
            return broker.Claims.Count <= refusals.Length ? RefuseAsync(context, refusals[broker.Claims.Count - 1]) : AnswerAsync(context, grant);
        });
        app.MapGet("/api/v1/holders/holder/watch", broker.WatchAsync);
        app.MapPost("/api/v1/holders/holder/renew", broker.ConfirmAsync);
        app.MapDelete("/api/v1/holders/holder", (HttpContext context) =>
        {
            broker.Released = true;
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        return broker;
    }

    /// <summary>Tells who watches, and who comes back to watch what was told last.</summary>
    public void Tell(string kind, JsonObject data)
    {
        lock (gate)
        {
            toldLast = data;
            told.Add($"event: {kind}\ndata: {data.ToJsonString()}\n\n");
            more.SetResult();
            more = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private Task ConfirmAsync(HttpContext context)
    {
        Confirmed = long.Parse(context.Request.Query["allotment"].ToString(), null);
        return AnswerAsync(context, toldLast);
    }

    private static Task RefuseAsync(HttpContext context, (int Status, int? RetryAfterSeconds) refusal)
    {
        context.Response.StatusCode = refusal.Status;
        if (refusal.RetryAfterSeconds is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        return context.Response.WriteAsync("<html>not the broker's own words</html>");
    }

    private static Task AnswerAsync(HttpContext context, JsonObject grant)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(grant.ToJsonString());
    }

    private async Task WatchAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        var leaving = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        var next = -1;
        while (!context.RequestAborted.IsCancellationRequested && !leaving.IsCancellationRequested)
        {
            string words;
            Task waiting;
            lock (gate)
            {
                if (next < 0) next = Math.Max(0, told.Count - 1);
                words = string.Concat(": here\n\n", string.Concat(told.Skip(next)));
                next = told.Count;
                waiting = more.Task;
            }

            try
            {
                await context.Response.WriteAsync(words, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await waiting.WaitAsync(SignOfLife, leaving);
            }
            catch (TimeoutException)
            {
                // Nothing new.
            }
            catch (OperationCanceledException)
            {
                return; // nobody listens any more
            }
        }
    }
}
