using System.Collections.Concurrent;

namespace Broker.Tests;

/// <summary>Packages of npm that tests use, as the <c>package-lock.json</c> of their folder has them; installed once in a run.</summary>
internal static class NpmPackages
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> Installing = new(StringComparer.Ordinal);

    /// <summary>Installs those of a folder of the test program, such as <c>Deployment/Schemas</c>.</summary>
    public static Task InstallAsync(string folder) => Installing.GetOrAdd(folder, static it => new(async () =>
        await TestProgram.RunAsync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], "apt-get install nodejs npm", it))).Value;
}
