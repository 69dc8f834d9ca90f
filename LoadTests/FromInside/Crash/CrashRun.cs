using System.Diagnostics;
using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Ledger.OnDisk;
using LoadTests.Servers.LocalServers;

namespace LoadTests.FromInside.Crash;

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

    /// <summary>Kills it so often.</summary>
    /// <param name="kills">How often.</param>
    /// <param name="seed">Of the moments.</param>
    /// <param name="within">The longest time of work before a kill: from its beginning, and every second time from its first grant.</param>
    /// <param name="atWrites">Whether it is killed at its first write, then at its second, and so on, instead.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<CrashResult> RunAsync(int kills, int seed, TimeSpan within, bool atWrites, CancellationToken cancellation)
    {
        await using var directory = await PrivateDirectory.CreateAsync("crash", owner: null);
        var random = new Random(seed);
        var run = new CrashRun();
        for (var i = 0; i < kills; i++)
        {
            await run.OnceAsync(Path.Combine(directory.Path, "ledger.db"), within * random.NextDouble(), i % 2 == 0 ? "working" : "granted ", atWrites ? 1 + i : null, cancellation);
            if (run.wrong.Count > 0) break;
        }

        return new(kills, run.amidWrite, run.granted, run.gone.Count, run.wrong);
    }

    private async Task OnceAsync(string file, TimeSpan after, string word, int? atWrite, CancellationToken cancellation)
    {
        // strace kills it as the system call begins, so that this write is not made.
        string[] program = [ServerProgram.DotNet(), typeof(CrashRun).Assembly.Location, "crash", "--work-on", file];
        if (atWrite is { } write)
            program = [ServerProgram.Find("strace", "strace", ["/usr/bin"]), "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", string.Create(CultureInfo.InvariantCulture, $"inject=pwrite64:signal=KILL:when={write}"), .. program];
        using var worker = Process.Start(new ProcessStartInfo(program[0], program[1..]) { RedirectStandardOutput = true })
            ?? throw new ServerStartException($"{program[0]} could not be started.");
        Caretaker.AwaitEndOf(worker.Id);
        var works = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var lines = new List<string>();
        var reading = ReadAsync(worker.StandardOutput, lines, word, works);
        try
        {
            if (atWrite is not null)
            {
                await worker.WaitForExitAsync(cancellation).WaitAsync(TimeSpan.FromMinutes(2), TimeProvider.System, cancellation);
            }
            else
            {
                await works.Task.WaitAsync(TimeSpan.FromMinutes(5), cancellation);
                await Task.Delay(after, TimeProvider.System, cancellation);
            }
        }
        finally
        {
            Signals.Send(worker.Id, Signal.Kill);
            await worker.WaitForExitAsync(CancellationToken.None);
        }

        await reading;
        foreach (var line in lines) Hear(line.Split(' '));
        if (new FileInfo(file + "-journal") is { Exists: true, Length: > 0 }) amidWrite++;
        if (File.Exists(file)) Compare(file);
        else if (held.Count > 0) wrong.Add("the file is gone");
    }

    private static async Task ReadAsync(StreamReader output, List<string> lines, string word, TaskCompletionSource works)
    {
        // The last line may be cut off: it does not count.
        var rest = "";
        var buffer = new char[4096];
        while (await output.ReadAsync(buffer) is > 0 and var count)
        {
            var parts = (rest + new string(buffer, 0, count)).Split('\n');
            rest = parts[^1];
            lines.AddRange(parts[..^1]);
            if (parts[..^1].Any(line => line.StartsWith(word, StringComparison.Ordinal))) works.TrySetResult();
        }

        works.TrySetException(new ServerStartException($"The worker ended before it said '{word}'."));
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
