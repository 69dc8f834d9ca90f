using LoadTests.Servers.LocalServers;
using Spectre.Console;

namespace LoadTests.Servers.Stages;

/// <summary>Keeps a stage running for people to try, and says how.</summary>
internal static class StayOpen
{
    // Far from the numbers of a rollout's pods, so that the pasted request is a pod of its own.
    private const int VisitingPod = 1_000_000;

    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    public static async Task UntilCancelledAsync(Stage stage, IAnsiConsole console, CancellationToken cancellation)
    {
        Say(console, $"{stage.Engine.Product,-12}{stage.Engine.Client(stage.Database)}");
        if (stage.Redis is { } redis)
            Say(console, $"Redis       redis-cli -p {redis.Port}");
        if (stage.Vault is { } vault)
            Say(console, $"Vault       {vault.Address}");
        if (stage.Brokers.Count > 0)
        {
            await ExpectNobodyAsync(stage, cancellation);
            foreach (var broker in stage.Brokers)
                Say(console, $"Broker      {broker.Address}   (log: {broker.LogFile})");
            Say(console, "");
            Say(console, "Paste this into another shell; then every example of README.md works as it stands. The tokens are a pod's, a DBA's and an operator's.");
            Say(console, "");
            Say(console, Environment(stage));
            Say(console, "A credential, as a pod gets it:");
            Say(console, "");
            Say(
                console,
                $$"""
                curl -X POST "$BROKER/api/v1/roles/{{StageSettings.RoleName}}/credentials" -H "Authorization: Bearer $TOKEN" --json '{"connections": 2}'
                """);
            Say(console, "");
            Say(console, $"The page for DBAs: open this link within an hour; it signs a browser in once.");
            Say(console, "");
            Say(console, await stage.Brokers[0].AdminLinkAsync(cancellation));
            Say(console, "");
        }

        Say(console, "Ctrl-C ends everything and removes what it wrote.");
        await Cancelled.ByAsync(cancellation);
    }

    /// <summary>What a visitor pastes into a shell: where the broker is, who asks, and <c>broker</c> as a command.</summary>
    public static string Environment(Stage stage) =>
        $$"""
        export BROKER={{stage.Brokers[0].Address.OriginalString}}
        export TOKEN={{stage.Identity.PodToken(VisitingPod, new() { Lifetime = Lifetime })}}
        export VIEWER={{stage.Identity.ViewerToken(Lifetime)}}
        export OPERATOR={{stage.Identity.OperatorToken(Lifetime)}}
        export BROKER_ADDR=$BROKER BROKER_TOKEN=$OPERATOR
        broker() { dotnet '{{BrokerProgram.Find()}}' "$@"; }

        """;

    /// <summary>The rollout is over: its role expects no more pods, so no connections are kept from a visitor for them.</summary>
    public static async Task ExpectNobodyAsync(Stage stage, CancellationToken cancellation)
    {
        foreach (var broker in stage.Brokers)
        {
            var configuration = broker.Configuration.DeepClone().AsObject();
            configuration["Broker"]!["Roles"]![StageSettings.RoleName]!["Connections"]!["ExpectedHolders"] = 0;
            await broker.ReconfigureAsync(configuration, cancellation);
            await Poll.UntilAsync(
                async cancel => (await File.ReadAllTextAsync(broker.LogFile, cancel)).Contains("Configuration reloaded", StringComparison.Ordinal),
                ChildProcess.StartsWithin, "a broker to take its new configuration", cancellation);
        }
    }

    // Unwrapped, so that it can be pasted.
    private static void Say(IAnsiConsole console, string line) => console.Profile.Out.Writer.WriteLine(line);
}
