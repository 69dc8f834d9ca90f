using System.Diagnostics;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Mutation;

/// <summary>Runs tests against a mutant, in a process of their own that is told of it by <see cref="MutantVariable"/>.</summary>
/// <param name="program">The tests' program.</param>
/// <param name="rounds">Filters of classes; the classes of one round run together, and a round only when no earlier one killed.</param>
internal sealed class TestKiller(string program, IReadOnlyList<string[]> rounds)
{
    /// <summary>Names a file with a mutant's text, called as the script that it takes the place of. Only the tests' own ledgers heed it.</summary>
    public const string MutantVariable = "BROKER_TEST_MUTANT";

    private const int AllPassed = 0, SomeFailed = 2;

    // The longest round takes about a minute; what does not end is killed.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>What killed it; null: it survived.</summary>
    public async Task<string?> KillAsync(Mutant mutant, CancellationToken cancellation)
    {
        var directory = Directory.CreateTempSubdirectory("mutant-");
        try
        {
            var file = Path.Combine(directory.FullName, mutant.File);
            await File.WriteAllTextAsync(file, mutant.Apply(Decision.Read(mutant.File)), cancellation);
            foreach (var round in rounds)
            {
                if (await RunAsync(round, file, cancellation) is { } killer) return killer;
            }

            return null;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>Makes sure that all tests pass on the scripts as they are.</summary>
    /// <exception cref="InvalidOperationException">They do not.</exception>
    public async Task CheckAsync(CancellationToken cancellation)
    {
        foreach (var round in rounds)
        {
            if (await RunAsync(round, mutantFile: null, cancellation) is { } failed)
                throw new InvalidOperationException($"Without a mutant, already, {failed}: nothing can be learned from these tests.");
        }
    }

    private async Task<string?> RunAsync(string[] classes, string? mutantFile, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("dotnet", [program, "--filter-class", .. classes, "--stop-on-fail", "on", "--progress", "off", "--no-ansi"]) { RedirectStandardOutput = true };
        if (mutantFile is not null) start.Environment[MutantVariable] = mutantFile;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} does not start.");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Longest);
        try
        {
            var said = await process.StandardOutput.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return process.ExitCode switch
            {
                AllPassed => null,
                SomeFailed => said.Split('\n').FirstOrDefault(line => line.StartsWith("failed ", StringComparison.Ordinal))?.Trim() ?? "failed",
                var other => throw new InvalidOperationException($"{program} broke with exit code {other}: {said}"),
            };
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"no end after {Longest.TotalMinutes} min";
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
