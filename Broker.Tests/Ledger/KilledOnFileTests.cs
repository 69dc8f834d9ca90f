using LoadTests.FromInside.Crash;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>A ledger's file after the process that wrote into it was killed.</summary>
public sealed class KilledOnFileTests
{
    [Fact]
    public async Task What_was_answered_is_in_the_file_of_a_process_that_is_killed()
    {
        var result = await CrashRun.RunAsync(kills: 5, seed: Environment.ProcessId, TimeSpan.FromMilliseconds(100), atWrites: false, TestContext.Current.CancellationToken);

        result.Wrong.ShouldBeEmpty();
        result.Granted.ShouldBePositive();
    }
}
