using System.Diagnostics;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>The programs that will read the files accept them.</summary>
public class AcceptedTests
{
    [Fact]
    public async Task Compose_accepts_its_file()
    {
        var answer = await RunAsync("docker-compose", "-f", Repository.PathOf("docker-compose.yml"), "config");

        answer.ShouldContain("broker-1:");
    }

    [Theory]
    [InlineData("k8s/base")]
    public async Task Kustomize_builds_the_manifests(string directory)
    {
        var answer = await RunAsync("kubectl", "kustomize", Repository.PathOf(directory));

        answer.ShouldContain("kind: Deployment");
        // Each change of the configuration is a new ConfigMap, and so a rollout of the broker.
        answer.ShouldMatch(@"name: broker-config-[0-9a-z]+");
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(directory => File.Exists(Path.Combine(directory, program)));
        Assert.SkipUnless(found, $"{program} is not installed.");
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var cancellation = TestContext.Current.CancellationToken;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
        await process.WaitForExitAsync(cancellation);
        process.ExitCode.ShouldBe(0, await errors);
        return await output;
    }
}
