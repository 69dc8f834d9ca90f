using System.Diagnostics;
using System.Diagnostics.Metrics;
using Broker.Api.Starting.Rehearsing;
using Broker.Core.Leases.Rehearsing;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Starting;

/// <summary>What a replica plays before it is ready.</summary>
public sealed class RehearsalTests
{
    private const int Pods = 24;

    [Fact]
    public Task A_rehearsed_rollout_is_granted_all_that_it_asks_for() => Rehearsal.PlayAsync(2, Pods, TimeProvider.System, TestContext.Current.CancellationToken);

    [Fact]
    public Task A_rehearsal_needs_no_time_to_pass() => Rehearsal.PlayAsync(3, Pods, new FakeTimeProvider(), TestContext.Current.CancellationToken);

    [Fact]
    public async Task A_rehearsal_leaves_no_instrument_behind()
    {
        await Rehearsal.PlayAsync(1, Pods, TimeProvider.System, TestContext.Current.CancellationToken);

        // Another test's broker may be at its own rehearsal.
        await Eventually.HoldsAsync(() => Task.FromResult(!AnyInstrument()), "the rehearsal's instruments are gone", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Another_replica_that_rehearses_on_the_same_machine_is_not_in_its_way()
    {
        // As a replica takes its audit file for itself (locks of one process are never in its own way), but shared: programs of other makers lock the null device so as well.
        const string lockNowhere = "import fcntl, sys\nnowhere = open('/dev/null', 'r+b', buffering=0)\nfcntl.lockf(nowhere, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 2**62 - 1)\nprint('locked', flush=True)\nsys.stdin.read()";
        using var other = Process.Start(new ProcessStartInfo("python3", ["-c", lockNowhere]) { RedirectStandardInput = true, RedirectStandardOutput = true }).ShouldNotBeNull();
        (await other.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)).ShouldBe("locked");

        await Rehearsal.PlayAsync(1, Pods, TimeProvider.System, TestContext.Current.CancellationToken);

        other.StandardInput.Close();
        await other.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    private static bool AnyInstrument()
    {
        var any = false;
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => any |= instrument.Meter.Name == RehearsalStage.Name };
        listener.Start();
        return any;
    }
}
