namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A user that owns something in the database that neither Vault nor the broker may remove.</summary>
internal sealed class DropsRefused : Misfortune
{
    public override string Name => "drops-refused";

    public override string What => "PostgreSQL refuses to drop the users of leases that are over, until somebody fixes it";

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        // The user it concerns is known beforehand: that of the lease that is replaced.
        var user = (await scene.LeaseUsersAsync(state => state == "Active", cancellation)).Single();
        await scene.Weather.ExecuteAsync($"""CREATE DATABASE owned OWNER "{user}" """, cancellation);
        await scene.Weather.ExecuteAsync("ALTER DATABASE owned ALLOW_CONNECTIONS false", cancellation);
        await scene.RotateAsync(0, cancellation);
        await Scene.UntilAsync(
            async () => (await scene.ReadAsync("/api/v1/duties", cancellation)).ToJsonString().Contains("revoke:", StringComparison.Ordinal),
            "the old lease to be over", cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(5), cancellation);
        await scene.Weather.ExecuteAsync("DROP DATABASE owned", cancellation);
        await Scene.UntilAsync(
            async () => !(await scene.Weather.UsersAsync(cancellation)).Contains(user), "the user to be dropped after all", cancellation);
    }
}
