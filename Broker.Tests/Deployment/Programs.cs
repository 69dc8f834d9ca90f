using System.Collections.Concurrent;

namespace Broker.Tests.Deployment;

/// <summary>Programs that read the shipped files. One that is missing fails the test, with what installs it.</summary>
internal static class Programs
{
    private static readonly Dictionary<string, string> Installs = new(StringComparer.Ordinal)
    {
        ["docker-compose"] = "apt-get install docker-compose",
        ["promtool"] = "apt-get install prometheus",
        ["bash"] = "apt-get install bash",
        ["kubectl"] = "see https://kubernetes.io/docs/tasks/tools/",
    };

    private static readonly ConcurrentDictionary<string, Lazy<Task<string>>> Built = new(StringComparer.Ordinal);

    /// <summary>What <c>kubectl kustomize</c> makes of a directory of the shipped files; made once in a run.</summary>
    public static Task<string> KustomizeAsync(string directory) =>
        Built.GetOrAdd(Path.GetFullPath(directory), static it => new(() => RunAsync("kubectl", "kustomize", it))).Value;

    /// <summary>Runs a program and returns what it printed; a failure of it fails the test with its own words.</summary>
    public static Task<string> RunAsync(string program, params string[] arguments) => TestProgram.RunAsync(program, arguments, Installs[program]);
}
