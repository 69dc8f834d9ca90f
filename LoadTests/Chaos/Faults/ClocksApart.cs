namespace LoadTests.Chaos.Faults;

/// <summary>Named so that nobody takes it for forgotten.</summary>
internal sealed class ClocksApart : Misfortune
{
    public override string Name => "clocks-apart";

    public override string What => "a replica's clock is minutes off";

    public override string? NotHere =>
        "no process' wall clock can be set apart here (a time namespace shifts only the monotonic one); `loadtests simulate` has clocks up to ten minutes off and jumping";

    public override Task HappenAsync(Scene scene, CancellationToken cancellation) => throw new NotSupportedException(NotHere);
}
