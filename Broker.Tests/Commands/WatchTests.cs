using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary><c>--watch</c> shows it anew until it is stopped, also when the broker is away in between.</summary>
public sealed class WatchTests : IAsyncLifetime
{
    private readonly WebApplication broker;
    private readonly StringWriter text = new();
    private int asked;
    private Func<int, IResult> answer = _ => Results.Json(Array.Empty<object>());

    public WatchTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        broker = builder.Build();
        broker.MapGet("/api/v1/leases", () => answer(Interlocked.Increment(ref asked)));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await broker.StartAsync(Cancellation);

    public async ValueTask DisposeAsync()
    {
        await broker.DisposeAsync();
        await text.DisposeAsync();
    }

    [Fact]
    public async Task A_broker_that_is_away_in_between_is_asked_again()
    {
        answer = time => time == 2 ? Results.Problem("The ledger does not answer.", statusCode: 503) : Results.Json(new[] { new { id = "L" + time } });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        var watching = RunAsync(["leases", "--watch", "1", "--json"], stop.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref asked) >= 4), "the fourth time it asks", Cancellation);
        await stop.CancelAsync();

        (await watching).ShouldBe(0, text.ToString());
        text.ToString().ShouldContain("L1");
        text.ToString().ShouldContain("The ledger does not answer.");
        text.ToString().ShouldContain("L3");
    }

    [Fact]
    public async Task A_command_that_never_had_an_answer_says_so_at_once()
    {
        answer = _ => Results.Problem("Your token has expired.", statusCode: 401);

        (await RunAsync(["leases", "--watch", "1"], Cancellation)).ShouldBe(2);

        asked.ShouldBe(1);
        text.ToString().ShouldContain("Your token has expired.");
    }

    [Theory]
    [InlineData("0")]
    [InlineData("3601")]
    [InlineData("soon")]
    public async Task A_number_of_seconds_that_means_nothing_is_refused(string seconds)
    {
        (await RunAsync(["leases", "--watch", seconds], Cancellation)).ShouldNotBe(0);

        asked.ShouldBe(0);
    }

    private async Task<int> RunAsync(string[] words, CancellationToken cancellation)
    {
        var address = broker.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return await CommandLine.RunAsync(text, cancellation, [.. words, "--address", address, "--token", "t"]);
    }
}
