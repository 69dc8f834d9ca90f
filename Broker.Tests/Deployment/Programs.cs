using System.Diagnostics;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>Programs that read the shipped files. One that is missing fails the test, with what installs it.</summary>
internal static class Programs
{
    private static readonly Dictionary<string, string> Installs = new(StringComparer.Ordinal)
    {
        ["docker-compose"] = "apt-get install docker-compose",
        ["promtool"] = "apt-get install prometheus",
        ["kubectl"] = "see https://kubernetes.io/docs/tasks/tools/",
    };

    /// <summary>Runs a program and returns what it printed; a failure of it fails the test with its own words.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(directory => File.Exists(Path.Combine(directory, program)));
        found.ShouldBeTrue($"{program} is not installed: {Installs[program]}");
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var cancellation = TestContext.Current.CancellationToken;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
        await process.WaitForExitAsync(cancellation);
        process.ExitCode.ShouldBe(0, await errors + await output);
        return await output;
    }
}
