using System.Diagnostics;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Scripts;

public sealed class SumTestsTests : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-trx-");

    public void Dispose() => directory.Delete(recursive: true);

    [Fact]
    public async Task The_last_line_is_the_sum_of_all_files_and_skipped_tests_are_named_with_their_reasons()
    {
        Write("one", passed: 3, failed: 0, results: Skipped("Room.A_test", "set &quot;THIS&quot; &amp; that") + Skipped("Room.Another", "no\nengine"));
        Write("two", passed: 4, failed: 0, results: Passed("Room.Good"));

        var (code, lines) = await SumAsync("0");

        code.ShouldBe(0);
        lines.ShouldBe(["Skipped: Room.A_test: set \"THIS\" & that", "Skipped: Room.Another: no engine", "7 passed, 0 failed, 2 skipped"]);
    }

    [Fact]
    public async Task A_failure_is_counted_and_fails_and_what_it_said_stands_right_above_the_sum()
    {
        Write("one", passed: 3, failed: 1, results: Skipped("Room.Another", "no engine") + Failed("Room.Bad", "1 should be&#xA;   2 &amp;amp; was not", "at Room.Bad()&#xD;&#xA;in Room.cs:line 3") + Passed("Room.Last"));
        Write("two", passed: 0, failed: 1, results: Failed("Room.Long", new string('x', 5_000), "at the end"));

        var (code, lines) = await SumAsync("2");

        code.ShouldBe(1);
        lines.Length.ShouldBe(4);
        lines[0].ShouldBe("Skipped: Room.Another: no engine");
        lines[1].ShouldBe("Failed: Room.Bad: 1 should be 2 &amp; was not at Room.Bad() in Room.cs:line 3");
        lines[2].ShouldStartWith("Failed: Room.Long: xxx");
        lines[2].Length.ShouldBeInRange(3_000, 3_020);
        lines[3].ShouldBe("3 passed, 2 failed, 1 skipped");
    }

    [Theory]
    [InlineData(false, "0")]
    [InlineData(true, "2")]
    public async Task A_run_that_broke_prints_no_sum(bool hasResults, string exitCode)
    {
        if (hasResults)
            Write("one", passed: 3, failed: 0, results: "");

        var (code, lines) = await SumAsync(exitCode);

        code.ShouldBe(1);
        lines.ShouldBeEmpty();
    }

    [Fact]
    public async Task No_test_at_all_is_a_broken_run()
    {
        Write("one", passed: 0, failed: 0, results: "");

        var (code, lines) = await SumAsync("0");

        code.ShouldBe(1);
        lines.ShouldBeEmpty();
    }

    private static string Passed(string name) => $"""<UnitTestResult testName="{name}" outcome="Passed" />""";

    private static string Skipped(string name, string reason) =>
        $"""<UnitTestResult testName="{name}" outcome="NotExecuted" duration="0"><Output><StdOut>{reason}</StdOut></Output></UnitTestResult>""";

    private static string Failed(string name, string message, string stack) =>
        $"""<UnitTestResult testName="{name}" outcome="Failed" duration="0"><Output><ErrorInfo><Message>{message}</Message><StackTrace>{stack}</StackTrace></ErrorInfo></Output></UnitTestResult>""";

    private void Write(string name, int passed, int failed, string results)
    {
        var skipped = results.Split("NotExecuted").Length - 1;
        File.WriteAllText(
            Path.Combine(directory.FullName, $"{name}.trx"),
            $"""<TestRun><Results>{results}</Results><ResultSummary outcome="{(failed > 0 ? "Failed" : "Completed")}"><Counters total="{passed + failed + skipped}" executed="{passed + failed}" passed="{passed}" failed="{failed}" error="0" timeout="0" aborted="0" notExecuted="{skipped}" /></ResultSummary></TestRun>""");
    }

    private async Task<(int Code, string[] Lines)> SumAsync(string exitCode)
    {
        using var script = Process.Start(new ProcessStartInfo(Repository.PathOf(".ci/sum-tests.sh")) { ArgumentList = { directory.FullName, exitCode }, RedirectStandardOutput = true })!;
        var output = await script.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await script.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (script.ExitCode, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
