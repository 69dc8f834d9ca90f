using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>
/// An upgrade, and its way back. While two versions work side by side each of them issues, and the other's pods are moved to what it issued.
/// </summary>
internal sealed class ReplicasUpgraded : Misfortune
{
    public override string Name => "replicas-upgraded";

    public override string What => "replicas of another version are replaced one after the other, work beside this one, and are put back";

    /// <summary>The other version's <c>broker.dll</c>; null: this one's, which finds whatever a change of programs alone breaks.</summary>
    public string? From { get; init; }

    /// <summary>What creates the users.</summary>
    public IssuerKind Issuer { get; init; }

    public override StageSettings On(StageSettings stage) => stage with { Program = From, Issuer = Issuer };

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await ReplaceAllAsync(scene, null, cancellation);
        await RotateAsync(scene, 0, cancellation);
        await ReplaceAllAsync(scene, From, cancellation);
        await RotateAsync(scene, 0, cancellation);
    }

    // Of the replicas the first is replaced by then, and the last is not.
    private static async Task ReplaceAllAsync(Scene scene, string? program, CancellationToken cancellation)
    {
        var replicas = scene.Stage.Brokers;
        for (var replica = 0; replica < replicas.Count; replica++)
        {
            using (scene.Lame(replica))
            {
                await replicas[replica].TerminateAsync();
                await replicas[replica].StartAgainAsAsync(program, cancellation);
            }

            if (replica > 0) continue;
            await RotateAsync(scene, replicas.Count - 1, cancellation);
            await RotateAsync(scene, 0, cancellation);
        }
    }

    private static async Task RotateAsync(Scene scene, int replica, CancellationToken cancellation)
    {
        var before = await ActiveAsync(scene, cancellation);
        await scene.RotateAsync(replica, cancellation);
        await Scene.UntilAsync(async () => await ActiveAsync(scene, cancellation) is { } now && now != before, "another lease to take holders", cancellation);
        await scene.LastAsync(scene.Settings.Calm, cancellation);
    }

    private static async Task<string?> ActiveAsync(Scene scene, CancellationToken cancellation) =>
        (await scene.ReadAsync("/api/v1/leases", cancellation))["leases"]!.AsArray()
            .FirstOrDefault(static lease => lease!["state"]!.GetValue<string>() == "Active")?["id"]!.GetValue<string>();
}
