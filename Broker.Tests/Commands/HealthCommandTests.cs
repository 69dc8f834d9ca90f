using Broker.Api.Commands;
using Broker.Tests.Endpoints;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>What an image without a shell asks itself.</summary>
public sealed class HealthCommandTests(RunningBroker broker)
{
    [Theory]
    [InlineData("8443", "8080", null, "https://127.0.0.1:8443/")]
    [InlineData("", "8080", null, "http://127.0.0.1:8080/")]
    [InlineData(null, "8081;8082", null, "http://127.0.0.1:8081/")]
    [InlineData(null, null, "http://+:5000;https://+:5001", "http://127.0.0.1:5000/")]
    [InlineData(null, null, "https://0.0.0.0:5001", "https://127.0.0.1:5001/")]
    [InlineData(null, null, null, "http://127.0.0.1:8080/")]
    public void Asks_where_the_broker_of_this_environment_listens(string? https, string? http, string? urls, string address) =>
        HealthCommand.OwnAddress(name => name switch { "ASPNETCORE_HTTPS_PORTS" => https, "ASPNETCORE_HTTP_PORTS" => http, _ => urls })
            .ToString().ShouldBe(address);

    [Fact]
    public async Task Says_by_its_exit_code_whether_the_broker_is_ready()
    {
        (await RunAsync("health", "--timeout", "60", "--address", (await broker.AddressAsync()).ToString())).ShouldBe(0);
        (await RunAsync("health", "--live", "--timeout", "60", "--address", (await broker.AddressAsync()).ToString())).ShouldBe(0);
        (await RunAsync("health", "--address", "http://127.0.0.1:1")).ShouldBe(1);
        (await RunAsync("health", "--address", "nowhere")).ShouldBe(2);
    }

    [Theory]
    [InlineData("health --timeout x")]
    [InlineData("health --timeout 61")]
    [InlineData("health --timeout")]
    [InlineData("admin-token --minutes soon")]
    [InlineData("admin-token --minutes -1")]
    [InlineData("forecast --database orders --pods many --connections 5")]
    public async Task What_is_no_number_in_its_range_is_refused_without_a_stack_trace(string words) => (await RunAsync(words.Split(' '))).ShouldBe(2);

    private static Task<int> RunAsync(params string[] words) =>
        BrokerCommands.RunAsync(BrokerCommands.Create(AnsiConsole.Console), words, TextWriter.Null);
}
