using System.Diagnostics;
using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Ledger.OnDisk;
using LoadTests.LocalServers;

namespace LoadTests.Crash;

/// <summary>What was seen.</summary>
/// <param name="Kills">How often the process was killed.</param>
/// <param name="AmidWrite">How often it left a write behind that had to be undone or finished.</param>
/// <param name="Granted">Grants that were answered.</param>
/// <param name="Released">Releases that were answered.</param>
/// <param name="Wrong">What is not in the file as it was answered.</param>
internal sealed record CrashResult(int Kills, int AmidWrite, int Granted, int Released, IReadOnlyList<string> Wrong);

/// <summary>A process works on a ledger's file and is killed; then the file is compared with what it had answered. And again, on the same file.</summary>
internal sealed class CrashRun
{
    private static readonly string[] Keys = LedgerKeys.Of(CrashWorker.Database);

    private readonly Dictionary<string, int> held = new(StringComparer.Ordinal); // answered: these connections
    private readonly Dictionary<string, int> unsure = new(StringComparer.Ordinal); // asked for when the process died
    private readonly HashSet<string> gone = new(StringComparer.Ordinal);
    private readonly List<string> wrong = [];
    private int granted;
    private int amidWrite;

    public static async Task<CrashResult> RunAsync(int kills, int seed, TimeSpan within, CancellationToken cancellation)
    {
        await using var directory = await PrivateDirectory.CreateAsync("crash", owner: null);
        var random = new Random(seed);
        var run = new CrashRun();
        for (var i = 0; i < kills; i++)
        {
            await run.OnceAsync(Path.Combine(directory.Path, "ledger.db"), within * random.NextDouble(), cancellation);
            if (run.wrong.Count > 0) break;
        }

        return new(kills, run.amidWrite, run.granted, run.gone.Count, run.wrong);
    }

    private async Task OnceAsync(string file, TimeSpan after, CancellationToken cancellation)
    {
        using var worker = Process.Start(new ProcessStartInfo(ServerProgram.DotNet(), [typeof(CrashRun).Assembly.Location, "crash", "--work-on", file]) { RedirectStandardOutput = true })
            ?? throw new ServerStartException("dotnet could not be started.");
        Caretaker.AwaitEndOf(worker.Id);
        var works = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var lines = new List<string>();
        var reading = ReadAsync(worker.StandardOutput, lines, works);
        try
        {
            await works.Task.WaitAsync(TimeSpan.FromSeconds(60), cancellation);
            await Task.Delay(after, TimeProvider.System, cancellation);
        }
        finally
        {
            Signals.Send(worker.Id, Signal.Kill);
            await worker.WaitForExitAsync(CancellationToken.None);
        }

        await reading;
        foreach (var line in lines) Hear(line.Split(' '));
        if (new FileInfo(file + "-journal") is { Exists: true, Length: > 0 }) amidWrite++;
        Compare(file);
    }

    private static async Task ReadAsync(StreamReader output, List<string> lines, TaskCompletionSource works)
    {
        // The last line may be cut: it is none.
        var text = new System.Text.StringBuilder();
        var buffer = new char[4096];
        while (await output.ReadAsync(buffer) is > 0 and var count)
        {
            text.Append(buffer, 0, count);
            if (!works.Task.IsCompleted && text.ToString().Contains("working\n", StringComparison.Ordinal)) works.SetResult();
        }

        works.TrySetException(new ServerStartException("The worker ended before it worked."));
        lines.AddRange(text.ToString().Split('\n')[..^1]);
    }

    private void Hear(string[] words)
    {
        switch (words[0])
        {
            case "asks": unsure[words[1]] = int.Parse(words[2], CultureInfo.InvariantCulture); break;
            case "granted":
                granted++;
                unsure.Remove(words[1]);
                held[words[1]] = int.Parse(words[2], CultureInfo.InvariantCulture);
                break;
            case "leaves":
                held.Remove(words[1], out var had);
                unsure[words[1]] = had;
                break;
            case "left":
                unsure.Remove(words[1]);
                gone.Add(words[1]);
                break;
        }
    }

    private void Compare(string file)
    {
        var keys = new RecordedKeyspace(TimeProvider.System, static (_, _) => { });
        LedgerFile.Open(file, keys).Dispose();
        var holders = KeyOf(keys, "holders").ToDictionary(static holder => holder.Key, static holder => int.Parse(holder.Value.Split('|')[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);
        foreach (var (holder, connections) in held)
            if (holders.GetValueOrDefault(holder) != connections) wrong.Add($"{holder} was granted {connections} connections and has {holders.GetValueOrDefault(holder)}");
        foreach (var holder in gone.Where(holders.ContainsKey)) wrong.Add($"{holder} had left and is there");
        foreach (var holder in holders.Keys.Where(holder => holder != "r.first" && !held.ContainsKey(holder) && !unsure.ContainsKey(holder))) wrong.Add($"{holder} is there and never asked");
        var counted = int.Parse(KeyOf(keys, "budget").GetValueOrDefault("granted", "0"), CultureInfo.InvariantCulture);
        if (counted != holders.Values.Sum()) wrong.Add($"{counted} connections are counted as granted, and the holders have {holders.Values.Sum()}");

        // What was asked for when it died is so or so from now on, and stays so.
        foreach (var (holder, _) in unsure)
        {
            if (holders.TryGetValue(holder, out var connections)) held[holder] = connections;
            else gone.Add(holder);
        }

        unsure.Clear();
    }

    private static IReadOnlyDictionary<string, string> KeyOf(Keyspace keys, string part) => keys.HashAt(Keys[Array.IndexOf(LedgerKeys.Parts, part)]);
}
