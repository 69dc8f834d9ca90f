using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Broker.Core.Audit;
using Broker.Core.Audit.Reading;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace LoadTests.FromInside.Tampering;

/// <summary>
/// An audit as a broker writes it: with restarts, rotations, a death in the middle of a line, a disk that takes nothing for a
/// while, and a start that could not read what was there.
/// </summary>
internal sealed class GenuineAudit
{
    private readonly string path;
    private readonly string keyFile;
    private readonly Random random;
    private readonly SteppedTime time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly Anchors anchors = new();
    private int written;

    private GenuineAudit(string directory, string keyFile, Random random) =>
        (path, this.keyFile, this.random) = (Path.Combine(directory, "audit.jsonl"), keyFile, random);

    /// <summary>What came of it.</summary>
    public required AuditState State { get; init; }

    /// <summary>The broker's log, with the checkpoints that it printed.</summary>
    public required string Log { get; init; }

    /// <summary>A new EC key in PEM.</summary>
    public static string NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportECPrivateKeyPem();
    }

    /// <summary>Writes one, with about this many records.</summary>
    public static async Task<GenuineAudit> WriteAsync(string key, Random random, int records, bool withOtherChain = false)
    {
        var directory = Directory.CreateTempSubdirectory("broker-tampering-").FullName;
        try
        {
            var keyFile = Path.Combine(directory, "key.pem");
            await File.WriteAllTextAsync(keyFile, key);
            var writer = new GenuineAudit(directory, keyFile, random) { State = null!, Log = "" };
            await writer.WriteAsync(records / 3);
            await writer.WriteAsync(records / 3, dies: true);
            if (withOtherChain) await writer.BeginAnotherChainAsync();
            await writer.WriteAsync(records / 3, loses: true);
            return new(directory, keyFile, random) { State = AuditState.Read(directory), Log = writer.anchors.Text };
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private JsonLinesAudit Open() => new(
        new AuditSettings { Path = path, SigningKeyFile = keyFile, Rotation = new() { MaxAge = TimeSpan.FromMinutes(5) }, AnchorEvery = TimeSpan.FromSeconds(10) }, time, anchors);

    private async Task WriteAsync(int records, bool dies = false, bool loses = false)
    {
        var audit = Open();
        for (var number = 0; number < records; number++)
        {
            if (loses && number == records / 2) await LoseAsync(audit);
            await audit.WriteAsync(Record(), default);
            await PassAsync(random.Next(6) == 0 ? TimeSpan.FromMinutes(random.Next(1, 7)) : TimeSpan.FromMilliseconds(random.Next(900)));
        }

        if (!dies)
        {
            await audit.DisposeAsync();
            return;
        }

        // A process that is killed leaves its files and its log as they stand, without what closing would add.
        var directory = Path.GetDirectoryName(path)!;
        var standing = Standing(directory);
        var said = anchors.Text;
        await audit.DisposeAsync();
        foreach (var file in Directory.GetFiles(directory)) File.Delete(file);
        foreach (var (file, bytes) in standing) await File.WriteAllBytesAsync(file, bytes);
        await File.AppendAllTextAsync(path, "{\"time\":\"2026-03");
        anchors.Text = said;
        time.Advance(TimeSpan.FromMinutes(1));
    }

    // The audit is still at work, and may be turning its file over: what was read while nothing changed stood so at one moment.
    private static Dictionary<string, byte[]> Standing(string directory)
    {
        while (true)
        {
            try
            {
                var before = Names();
                var read = before.ToDictionary(static file => file.Name, static file => File.ReadAllBytes(file.Name));
                if (Names().SequenceEqual(before)) return read;
            }
            catch (FileNotFoundException)
            {
                // It was turned over meanwhile.
            }
        }

        (string Name, long Length)[] Names() =>
        [
            .. Directory.GetFiles(directory).Where(static file => !file.EndsWith(".new", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
                .Select(static file => (file, new FileInfo(file).Length)),
        ];
    }

    // A pause brings a checkpoint; a broker that runs is never long without one.
    private async Task PassAsync(TimeSpan by)
    {
        if (by < TimeSpan.FromSeconds(1))
        {
            time.Advance(by);
            return;
        }

        for (var waited = Stopwatch.StartNew(); !await EndsWithACheckpointAsync();)
        {
            if (waited.Elapsed > TimeSpan.FromSeconds(30)) throw new TimeoutException("A pause brought no checkpoint.");
            time.AdvanceToAlarm(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        time.Advance(by);
    }

    // A file that is being turned over is gone, or has no line yet, for a moment.
    private async Task<bool> EndsWithACheckpointAsync()
    {
        try
        {
            return AuditState.Split(await File.ReadAllBytesAsync(path)) is [.., var last] && Forger.Is(last, "checkpoint");
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }

    private async Task LoseAsync(JsonLinesAudit audit)
    {
        File.Move(path, path + "-aside");
        Directory.CreateDirectory(path);
        time.Advance(TimeSpan.FromSeconds(2));
        for (var lost = 0; lost < 3; lost++) await RefusedAsync(audit);
        Directory.Delete(path);
        File.Move(path + "-aside", path);
    }

    private async Task BeginAnotherChainAsync()
    {
        File.Move(path, path + "-aside");
        Directory.CreateDirectory(path);
        var audit = Open();
        await RefusedAsync(audit);
        Directory.Delete(path);
        File.Move(path + "-aside", path);
        await audit.WriteAsync(Record(), default);
        await audit.DisposeAsync();
    }

    private async Task RefusedAsync(JsonLinesAudit audit)
    {
        try
        {
            await audit.WriteAsync(Record(), default);
            throw new InvalidOperationException("The audit took a record although it could not.");
        }
        catch (AuditUnavailableException)
        {
            // As it has to be.
        }
    }

    private AuditRecord Record() => new()
    {
        Time = time.GetUtcNow(),
        Action = AuditAction.Claim,
        Outcome = AuditOutcome.Granted,
        CallerSubject = $"pod-{random.Next(20)}",
        HolderId = $"H{++written}",
        DatabaseUser = $"v-{random.Next(5)}",
    };

    private sealed class Anchors : ILogger<JsonLinesAudit>
    {
        private readonly StringBuilder text = new();

        public string Text
        {
            get { lock (text) return text.ToString(); }
            set { lock (text) text.Clear().Append(value); }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (text) text.AppendLine(formatter(state, exception));
        }
    }

    /// <summary>Time that passes when it is told to.</summary>
    private sealed class SteppedTime(DateTimeOffset start) : TimeProvider
    {
        private readonly List<Alarm> alarms = [];
        private DateTimeOffset now = start;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => now;

        public override long GetTimestamp() => now.Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var alarm = new Alarm(this, () => callback(state));
            lock (alarms) alarms.Add(alarm);
            alarm.Change(dueTime, period);
            return alarm;
        }

        public void Advance(TimeSpan by)
        {
            now += by;
            Alarm[] due;
            lock (alarms) due = [.. alarms.Where(alarm => alarm.At <= now)];
            foreach (var alarm in due) alarm.Ring();
        }

        /// <summary>Goes on to the next alarm, when it is near.</summary>
        public void AdvanceToAlarm(TimeSpan near)
        {
            DateTimeOffset next;
            lock (alarms) next = alarms.Min(static alarm => alarm.At);
            if (next - now <= near) Advance(next - now);
        }

        private sealed class Alarm(SteppedTime time, Action ring) : ITimer
        {
            public DateTimeOffset At { get; private set; } = DateTimeOffset.MaxValue;

            public void Ring()
            {
                At = DateTimeOffset.MaxValue;
                ring();
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                // Only the checkpoint's: time that we let pass says nothing of how long a write takes.
                At = dueTime < TimeSpan.Zero || dueTime > TimeSpan.FromSeconds(1) ? DateTimeOffset.MaxValue : time.now + dueTime;
                return true;
            }

            public void Dispose() => At = DateTimeOffset.MaxValue;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
