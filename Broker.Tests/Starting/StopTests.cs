using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Xunit;

namespace Broker.Tests.Starting;

/// <summary>A broker that is asked to end ends: exit code 0, whatever its ledger is.</summary>
public sealed class StopTests(SharedServers servers) : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-stop-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData("InProcess")]
    [InlineData("File")]
    [InlineData("Redis")]
    public async Task A_broker_that_is_asked_to_end_ends_well(string kind)
    {
        await using var redis = kind == "Redis" ? await LocalRedis.StartAsync(cancellation: TestContext.Current.CancellationToken) : null;
        var configuration = SmallestConfiguration.Of(await servers.PostgresAsync(), directory);
        configuration["Ledger"] = new JsonObject { ["Kind"] = kind, ["ConnectionString"] = redis?.ConnectionString, ["Path"] = kind == "File" ? Path.Combine(directory, "ledger.db") : null };
        configuration["Sealing"] = new JsonObject { ["Directory"] = Directory.CreateDirectory(Path.Combine(directory, "keys")).FullName };
        await using var broker = await LocalBroker.StartAsync(new() { Configuration = new() { ["Broker"] = configuration } }, TestContext.Current.CancellationToken);

        await broker.TerminateAsync(); // throws unless it ends well
    }
}
