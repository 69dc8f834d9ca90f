using System.Diagnostics;
using Broker.Tests.Deployment;
using Shouldly;

namespace Broker.Tests.Docs.Blocks;

/// <summary>
/// Runs a documented example in bash, in an empty directory. Programs that would build, ask a cluster or take long are stood for by
/// <c>stand-in.sh</c>, which writes down their words; a program that nobody stands for is not found, and the example fails.
/// </summary>
internal sealed class ShellExample : IDisposable
{
    private static readonly string[] StoodFor = ["dotnet", "docker", "kind", "kubectl", "vault", "curl", "git"];
    private static readonly string[] Scripts = ["demo.sh", "test.sh", "LoadTests/bench.sh", "LoadTests/drill.sh"];
    private static readonly string[] AsTheyAre = ["sh", "sed", "openssl", "base64", "chmod", "id", "mkdir"];

    private readonly string work = Directory.CreateTempSubdirectory("broker-example-").FullName;
    private readonly string calls, bin;

    public ShellExample()
    {
        (calls, bin) = (Path.Combine(work, ".calls"), Path.Combine(work, ".bin"));
        Directory.CreateDirectory(bin);
        foreach (var folder in new[] { "LoadTests", "Broker.Tests" }) Directory.CreateDirectory(Path.Combine(work, folder));

        // Links, as nothing may be open for writing that is run.
        var standIn = Repository.PathOf("Broker.Tests/Docs/Blocks/stand-in.sh");
        foreach (var name in StoodFor) File.CreateSymbolicLink(Path.Combine(bin, name), standIn);
        foreach (var script in Scripts)
        {
            File.Exists(Repository.PathOf(script)).ShouldBeTrue(script);
            File.CreateSymbolicLink(Path.Combine(work, script), standIn);
        }

        foreach (var name in AsTheyAre) File.CreateSymbolicLink(Path.Combine(bin, name), Find(name));
    }

    public void Dispose() => Directory.Delete(work, recursive: true);

    /// <summary>The directory that it runs in.</summary>
    public string Folder => work;

    /// <summary>Puts a file where the example expects one of the reader's.</summary>
    public void Has(string file, string text) => File.WriteAllText(Path.Combine(work, file), text);

    /// <summary>Runs it. A command of it that fails fails the test.</summary>
    /// <returns>What it printed, and the words of each call of a program that was stood for.</returns>
    public async Task<(string Output, IReadOnlyList<string[]> Calls)> RunAsync(string text, IReadOnlyDictionary<string, string> environment, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-euo", "pipefail", "-c", text]) { WorkingDirectory = work, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach (var (name, value) in environment) start.Environment[name] = value;
        foreach (var (name, value) in new[] { ("PATH", bin), ("BIN", bin), ("CALLS", calls), ("HOME", work), ("REAL_PATH", Environment.GetEnvironmentVariable("PATH")), ("REAL_DOTNET", Find("dotnet")), ("REAL_CURL", Find("curl")), ("REAL_KUBECTL", Find("kubectl")) })
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
        await process.WaitForExitAsync(cancellation);
        process.ExitCode.ShouldBe(0, $"{text}\n{await output}{await errors}");

        var words = File.Exists(calls) ? await File.ReadAllTextAsync(calls, cancellation) : "";
        return (await output, [.. words.Split("\0\n\0", StringSplitOptions.RemoveEmptyEntries).Select(call => call.Split('\0'))]);
    }

    private static string Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"{program} is not installed. {(program == "kubectl" ? "See https://kubernetes.io/docs/tasks/tools/" : $"apt-get install {program}")}");
}
