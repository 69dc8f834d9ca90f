using System.CommandLine;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace LoadTests.Servers.Identity;

/// <summary>
/// <c>loadtests identity</c>: an OIDC server as a process of its own, with keys of its own that it can rotate and a clock that
/// can be off. It signs whatever claims it is asked to: for tests, on loopback alone.
/// </summary>
internal static class IdentityCommand
{
    public static Command Create()
    {
        var port = CommandOptions.Number("--port", "The port on 127.0.0.1 for orders", 0, 0, 65_535);
        var off = new Option<int>("--clock-off") { Description = "Seconds its clock is ahead (negative: behind).", DefaultValueFactory = _ => 0 };
        var command = new Command("identity", "Runs an OIDC server until Ctrl-C: GET /authority, POST /tokens with claims, POST /rotate.") { port, off };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(port), TimeSpan.FromSeconds(parsed.GetValue(off)), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(int port, TimeSpan off, CancellationToken cancellation)
    {
        await using var identity = await LocalIdentity.StartAsync(new ClockOff(off), cancellation: cancellation);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        await using var orders = builder.Build();
        orders.MapGet("/authority", () => identity.Authority.OriginalString);
        orders.MapPost("/tokens", (JsonObject claims) => identity.SignNow(claims));
        orders.MapPost("/rotate", (bool? keepOld) => identity.RotateKey(keepOld ?? true));
        await orders.StartAsync(cancellation);
        await Console.Out.WriteLineAsync($"OIDC {identity.Authority}  orders {orders.Urls.Single()}");
        await Cancelled.ByAsync(cancellation);
        return 0;
    }

    private sealed class ClockOff(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + by;
    }
}
