using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Operators;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// The replicas' Redis: the real scripts on the in-process keyspace, with what can befall a server. Every decision is told to
/// the laws.
/// </summary>
internal sealed class LedgerServer : IDisposable
{
    private readonly Timeline timeline;
    private const int DecisionsOfALife = 40; // of a process that works on a file

    private readonly ILedgerStore store;
    private readonly FileLedgerStore? file;
    private readonly DirectoryInfo? directory;
    private readonly WatchedKeyspace keys;
    private readonly Keyspace copy;
    private readonly Dictionary<string, Behind> times; // of each database's records
    private int decisions;

    public LedgerServer(Timeline timeline, Actor self, Func<Decision, string>? scripts, bool onDisk, IEnumerable<string> addresses)
    {
        (this.timeline, Self) = (timeline, self);
        times = addresses.ToDictionary(address => address, address => new Behind(LedgerKeys.Of(address)[0]), StringComparer.Ordinal);
        Clock = new(timeline, self);
        Unsure = new(timeline);
        WatchedKeyspace? made = null;
        WatchedKeyspace Make(Action<string, string> publish) => made = new(Clock, publish);
        if (onDisk) directory = Directory.CreateTempSubdirectory("broker-simulation-");
        if (directory is not null) file = new(Path.Combine(directory.FullName, "ledger.db"), Clock, Make, scripts, durable: false);
        store = file as ILedgerStore ?? new InProcessLedgerStore(Make, scripts);
        keys = made!;
        copy = new(Clock, static (_, _) => { });
        Wire = new(timeline, self);
    }

    public Actor Self { get; }

    /// <summary>Its clock, by which all decisions go.</summary>
    public ActorClock Clock { get; }

    /// <summary>
    /// How far the time of a database's records is behind the true one, because it cannot know for how long it stood when its clock fell back, nor how far time had
    /// come in what it lost.
    /// </summary>
    public TimeSpan LagOf(string address) => times[address].Lag;

    /// <summary>When not everything reached it that was sent to it.</summary>
    public Spans Unsure { get; }

    /// <summary>The next copy is taken as soon as a lease is being issued.</summary>
    public bool CopiesAmidIssue { get; set; }

    public Wire Wire { get; }

    /// <summary>Told after each decision that may have changed something.</summary>
    public Action<Decision, string, IReadOnlyList<string>, string[]>? Decided { get; set; }

    /// <summary>Told of a script that failed, or left behind what cannot be read; a full memory apart.</summary>
    public Action<Exception>? Failed { get; set; }

    public bool IsDown { get; set; }

    public bool LosesSignals { get; set; }

    /// <summary>Sabotage: who writes here can make the codes of sealing keys, as if they were made of what everybody may read.</summary>
    public bool ForgesCodes { get; set; }

    /// <summary>Answers nothing until then, and carries out afterwards what came meanwhile.</summary>
    public TimeSpan StalledUntil { get; set; }

    public double LosesRequests { get; set; }

    public double LosesAnswers { get; set; }

    public bool IsFull
    {
        get => keys.IsFull;
        set => keys.IsFull = value;
    }

    public Keyspace Keys => keys;

    /// <summary>All there is: whether it is in a sorted set, the key, the field or member.</summary>
    public IEnumerable<(bool Ranked, string Key, string Name)> Entries => keys.All();

    public string[] Decide(Decision decision, string database, IReadOnlyList<string> arguments)
    {
        try
        {
            return Run(decision, database, arguments);
        }
        catch (Exception e) when (e is not LedgerException or BrokenBooksException or ScriptFailedException)
        {
            Failed?.Invoke(e);
            // As the way to a real Redis says it.
            throw e as LedgerException ?? new LedgerException($"The decision '{decision}' was not taken: {e.Message}", e);
        }
    }

    public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);

    /// <summary>Its server's clock falls back.</summary>
    public void FallBack(TimeSpan by)
    {
        MayLag();
        Clock.Off -= by;
    }

    /// <summary>Takes the copy that a failover falls back to.</summary>
    public void Copy() => copy.Become(keys);

    /// <summary>A replica of it takes over that has only what the copy has.</summary>
    public void FailOver()
    {
        MayLag();
        keys.Become(copy);
    }

    /// <summary>Loses everything.</summary>
    public void Flush()
    {
        MayLag();
        keys.Become(new Keyspace(TimeProvider.System, static (_, _) => { }));
    }

    public void Dispose()
    {
        _ = store.DisposeAsync().AsTask();
        directory?.Delete(recursive: true);
    }

    private string[] Run(Decision decision, string database, IReadOnlyList<string> arguments)
    {
        var before = keys.Changes;
        keys.BeginScript();
        string[] answer;
        try
        {
            var decided = store.DecideAsync(decision, database, arguments, CancellationToken.None);
            answer = decided.IsCompleted ? decided.GetAwaiter().GetResult() : throw new InvalidOperationException("The in-process ledger decides at once.");
        }
        catch (ScriptFailedException e) when (keys.IsFull)
        {
            throw new LedgerException(e.Message, e);
        }

        // Computed again with each decision: once a replica has told the time, no more than a second of the lag is left.
        if (times.TryGetValue(database, out var behind))
        {
            if (behind.MayLag || behind.Lag > TimeSpan.Zero) behind.Lag = LagNow(behind.Budget);
            if (keys.Keeps) behind.MayLag = false;
        }

        if (CopiesAmidIssue && decision == Decision.Begin && answer[0] == "go")
        {
            CopiesAmidIssue = false;
            Copy();
        }

        if (++decisions % DecisionsOfALife == 0) file?.Kill();
        if (keys.Changes != before) Decided?.Invoke(decision, database, arguments, answer);
        return answer;
    }

    private void MayLag()
    {
        foreach (var behind in times.Values) behind.MayLag = true;
    }

    // As common.lua reckons it.
    private TimeSpan LagNow(string of)
    {
        var budget = keys.HashAt(of);
        var server = Clock.GetUtcNow().ToUnixTimeMilliseconds();
        long Kept(string field) => long.Parse(budget.GetValueOrDefault(field, "0"), CultureInfo.InvariantCulture);
        var now = DateTimeOffset.FromUnixTimeMilliseconds(Math.Max(server + Kept("lacks"), Kept("reached")));
        var lag = ActorClock.Start + timeline.Now - now;
        return lag > TimeSpan.FromMilliseconds(2) ? lag : TimeSpan.Zero;
    }

    /// <summary>The time of one database's records.</summary>
    private sealed class Behind(string budget)
    {
        public string Budget => budget;

        /// <summary>The server's clock fell back, or it lost something, and how far time has come was not written down since.</summary>
        public bool MayLag { get; set; }

        public TimeSpan Lag { get; set; }
    }

    /// <summary>
    /// Counts what changes, and refuses as Redis does when its memory is full: a script fails at its first command that needs
    /// memory, unless it has written already.
    /// </summary>
    private sealed class WatchedKeyspace(TimeProvider time, Action<string, string> publish) : RecordedKeyspace(time, publish)
    {
        private bool dirty;

        public long Changes { get; private set; }

        public bool IsFull { get; set; }

        /// <summary>It has written down how far time has come.</summary>
        public bool Keeps { get; private set; }

        // In an order of their own: in which a script writes its fields is another in each process.
        public IEnumerable<(bool Ranked, string Key, string Name)> All() =>
            Names().OrderBy(static entry => entry.Ranked).ThenBy(static entry => entry.Key, StringComparer.Ordinal).ThenBy(static entry => entry.Name, StringComparer.Ordinal);

        public void BeginScript() => dirty = Keeps = false;

        public override object? Execute(string[] words)
        {
            if (words[0] is "HSET" or "ZADD" or "HINCRBY" or "HDEL" or "ZREM" or "ZREMRANGEBYSCORE")
            {
                if (IsFull && !dirty && words[0] is not ("HDEL" or "ZREM" or "ZREMRANGEBYSCORE")) throw new ArgumentException("OOM command not allowed when used memory > 'maxmemory'.");
                dirty = true;
                Changes++;
                Keeps |= Array.IndexOf(words, "reached") > 0;
            }

            return base.Execute(words);
        }
    }
}
