using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Times in decisions are the ledger's (L9): a replica whose own clock is off breaks nothing.</summary>
internal sealed class ClocksApart : Misfortune
{
    // The first replica's clock is ahead, the second's behind; a token that was made just now has to be good for it all the same.
    private static readonly TimeSpan[] Offsets = [TimeSpan.FromMinutes(7), TimeSpan.FromMinutes(-4)];
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    public override string Name => "clocks-apart";

    public override string What => "two replicas' clocks are seven minutes ahead and four behind, and each is to issue a lease";

    public override StageSettings On(StageSettings stage) => stage with
    {
        EnvironmentOf = replica => replica <= Offsets.Length ? OtherClock.Ahead(Offsets[replica - 1]) : new Dictionary<string, string>(),
        Configure = (replica, configuration) =>
        {
            stage.Configure?.Invoke(replica, configuration);
            Local(configuration)["ClockSkew"] = Tolerance.ToString("c");
        },
    };

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        for (var replica = 0; replica < Offsets.Length; replica++)
        {
            var off = await OffAsync(scene.Stage.Brokers[replica].Address, cancellation);
            if ((off - Offsets[replica]).Duration() > TimeSpan.FromSeconds(30)) throw new InvalidOperationException($"Replica {replica + 1}'s clock is {off} off, and not {Offsets[replica]}.");
            await scene.RotateAsync(replica, cancellation);
            await scene.LastAsync(TimeSpan.FromSeconds(5), cancellation);
        }
    }

    // What its answers say the time is.
    private static async Task<TimeSpan> OffAsync(Uri replica, CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = replica };
        using var answer = await client.GetAsync(new Uri("/health/live", UriKind.Relative), cancellation);
        return answer.Headers.Date!.Value - TimeProvider.System.GetUtcNow();
    }

    private static JsonNode Local(JsonObject configuration) => configuration["Broker"]!["Identity"]!["Issuers"]![StageSettings.ClusterName]!;
}
