using LoadTests.Servers.LocalServers;
using Spectre.Console;

namespace LoadTests.Servers.Stages;

/// <summary>Keeps a stage running for people to try, and says how.</summary>
internal static class StayOpen
{
    // Far from the numbers of a rollout's pods, so that the pasted request is a pod of its own.
    private const int VisitingPod = 1_000_000;

    public static async Task UntilCancelledAsync(Stage stage, IAnsiConsole console, CancellationToken cancellation)
    {
        var lifetime = TimeSpan.FromHours(12);
        Say(console, $"{stage.Engine.Product,-12}{stage.Engine.Client(stage.Database)}");
        if (stage.Redis is { } redis)
            Say(console, $"Redis       redis-cli -p {redis.Port}");
        if (stage.Vault is { } vault)
            Say(console, $"Vault       {vault.Address}");
        if (stage.Brokers.Count > 0)
        {
            foreach (var broker in stage.Brokers)
                Say(console, $"Broker      {broker.Address}   (log: {broker.LogFile})");
            var first = stage.Brokers[0].Address.OriginalString;
            Say(console, "");
            Say(console, "Paste this into another shell; then every example of README.md works as it stands. The tokens are a pod's, a DBA's and an operator's.");
            Say(console, "");
            Say(console, $"export BROKER={first}");
            Say(console, $"export TOKEN={stage.Identity.PodToken(VisitingPod, new() { Lifetime = lifetime })}");
            Say(console, $"export VIEWER={stage.Identity.ViewerToken(lifetime)}");
            Say(console, $"export OPERATOR={stage.Identity.OperatorToken(lifetime)}");
            Say(console, "");
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

    // Unwrapped, so that it can be pasted.
    private static void Say(IAnsiConsole console, string line) => console.Profile.Out.Writer.WriteLine(line);
}
