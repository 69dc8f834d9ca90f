using System.Diagnostics;
using System.Text.RegularExpressions;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed partial class CrashTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_that_is_killed_leaves_no_server_and_no_directory()
    {
        using var host = Process.Start(new ProcessStartInfo(ServerProgram.DotNet())
        {
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, "loadtests.dll"), "servers" },
            RedirectStandardOutput = true,
        })!;
        try
        {
            var postgres = Described().Match(await ReadLineAsync(host, "PostgreSQL"));
            var redis = Described().Match(await ReadLineAsync(host, "Redis"));
            postgres.Success.ShouldBeTrue();
            redis.Success.ShouldBeTrue();

            host.Kill();

            await NothingLeft.OfAsync(int.Parse(postgres.Groups["port"].Value), postgres.Groups["directory"].Value, Cancellation);
            await NothingLeft.OfAsync(int.Parse(redis.Groups["port"].Value), redis.Groups["directory"].Value, Cancellation);
        }
        finally
        {
            host.Kill();
        }
    }

    [Fact]
    public void A_missing_program_is_named_with_the_command_that_installs_it()
    {
        var failure = Should.Throw<ServerStartException>(() => ServerProgram.Find("redis-server", "redis-server", ["/nowhere"]));

        failure.Message.ShouldContain("apt-get install -y redis-server");
    }

    [GeneratedRegex(@"127\.0\.0\.1[:;](Port=)?(?<port>\d+).*\s(in (?<directory>\S+)|in a container)$")]
    private static partial Regex Described();

    private static async Task<string> ReadLineAsync(Process host, string beginning)
    {
        while (await host.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(TimeSpan.FromMinutes(5), TimeProvider.System, Cancellation) is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
                return line;
        }

        throw new InvalidOperationException($"The host ended without saying anything of {beginning}.");
    }
}
