using System.Diagnostics;
using Broker.Core.Leases.Rehearsing;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What a replica plays before it is ready.</summary>
public sealed class RehearsalTests
{
    [Fact]
    public async Task A_rehearsed_rollout_is_granted_all_that_it_asks_for() =>
        (await IssueRehearsal.PlayAsync(2, TimeProvider.System, TestContext.Current.CancellationToken)).ShouldBeNull();

    [Fact]
    public async Task It_needs_no_time_to_pass() =>
        (await IssueRehearsal.PlayAsync(3, new FakeTimeProvider(), TestContext.Current.CancellationToken)).ShouldBeNull();

    [Fact]
    public async Task Another_replica_that_rehearses_on_the_same_machine_is_not_in_its_way()
    {
        // As a replica takes its audit file for itself: locks of one process are never in its own way.
        const string lockNowhere = "import fcntl\nnowhere = open('/dev/null', 'r+b', buffering=0)\nfcntl.lockf(nowhere, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 2**62 - 1)\nprint('locked', flush=True)\ninput()";
        using var other = Process.Start(new ProcessStartInfo("python3", ["-c", lockNowhere]) { RedirectStandardInput = true, RedirectStandardOutput = true }).ShouldNotBeNull();
        (await other.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)).ShouldBe("locked");

        (await IssueRehearsal.PlayAsync(1, TimeProvider.System, TestContext.Current.CancellationToken)).ShouldBeNull();

        other.StandardInput.Close();
        await other.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
