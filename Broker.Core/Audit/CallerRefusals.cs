using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit;

/// <summary>
/// The record of what was granted, which no caller can flood with refusals and looks (law L15): each proven caller's first of these in a minute are written one
/// by one, like every other outcome; the rest are counted by caller and summed up at the end of the minute. What is granted, and operators' orders that are
/// carried out or fail, are always written; whoever has been refused too often within a minute gives no more orders in it.
/// </summary>
public sealed class CallerRefusals : IAudit, IAsyncDisposable
{
    /// <summary>
    /// How many refusals and failures of one caller are written one by one in a minute: more than a client gets that waits as told. With 256 MiB
    /// per file and 90 files kept (the defaults), one caller would need more than four days to push the record out by refusals.
    /// </summary>
    public const int MostPerCaller = 300;

    /// <summary>How many looks of one caller at leases, holders, the page and explanations are written one by one in a minute.</summary>
    public const int MostLooks = 120;

    // An issuer vouches for each of these callers. Refusals of further callers are written one by one, so nothing goes uncounted.
    private const int MostCallers = 10_000;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly IAudit audit;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly ITimer timer;
    private readonly Lock gate = new();
    private Dictionary<(string?, string?, string?, bool IsLook), Counted> callers = [];
    private DateTimeOffset since;

    /// <param name="audit">Where everything is written.</param>
    /// <param name="time">The clock of the minute.</param>
    /// <param name="log">Logs what was summed up.</param>
    public CallerRefusals(IAudit audit, TimeProvider time, ILogger<CallerRefusals> log)
    {
        (this.audit, this.time, this.log) = (audit, time, log);
        timer = time.CreateTimer(static refusals => _ = ((CallerRefusals)refusals!).SumUpAsync(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <inheritdoc/>
    public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation) =>
        record.CallerSubject is null || IsWritten(record) ? audit.WriteAsync(record, cancellation) : new(false);

    /// <inheritdoc/>
    public ValueTask TryAsync(CancellationToken cancellation) => audit.TryAsync(cancellation);

    /// <inheritdoc/>
    public IReadOnlyList<AuditSink> Sinks => audit.Sinks;

    /// <summary>Writes the sums. Called each minute, and at the end.</summary>
    public async Task SumUpAsync()
    {
        AuditRecord[] sums;
        lock (gate)
        {
            var now = time.GetUtcNow();
            sums = [.. callers.Values.Where(static known => known.More > 0).Select(known => Sum(known, now))];
            callers = [];
        }

        if (sums.Length > 0) Log.CallersSummedUp(log, sums.Sum(static sum => sum.Times ?? 0), sums.Length);
        await audit.WriteAllAsync(sums);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await timer.DisposeAsync();
        await SumUpAsync();
    }

    private bool IsWritten(AuditRecord record) => record.Outcome switch
    {
        AuditOutcome.Granted => record.Action is not (AuditAction.Read or AuditAction.Explain) || Count(record, isLook: true),
        AuditOutcome.Ordered => MayOrder(record) ? true : throw new TooManyRefusedException(),
        AuditOutcome.Failed when IsOrder(record.Action) => true,
        _ => Count(record, isLook: false),
    };

    private static bool IsOrder(AuditAction action) =>
        action is AuditAction.Issue or AuditAction.Revoke or AuditAction.Rotate or AuditAction.End or AuditAction.Ceiling or AuditAction.Pause;

    // Each order is two records: without this, a caller could fill the audit with orders that come to nothing.
    private bool MayOrder(AuditRecord record)
    {
        lock (gate) return !(callers.TryGetValue(KeyOf(record, isLook: false), out var known) && known.More > 0);
    }

    // Whether it is one of those that are written one by one.
    private bool Count(AuditRecord record, bool isLook)
    {
        lock (gate)
        {
            if (callers.Count == 0)
            {
                since = time.GetUtcNow();
                timer.Change(Minute, Timeout.InfiniteTimeSpan);
            }

            var who = KeyOf(record, isLook);
            if (!callers.TryGetValue(who, out var known))
            {
                if (callers.Count >= MostCallers) return true;
                callers[who] = known = new() { Each = isLook ? MostLooks : MostPerCaller };
            }

            if (++known.Times <= known.Each) return true;
            known.Last = record;
            return false;
        }
    }

    private static (string?, string?, string?, bool) KeyOf(AuditRecord record, bool isLook) => (record.CallerIssuer, record.CallerSubject, record.CallerPodUid, isLook);

    private AuditRecord Sum(Counted counted, DateTimeOffset now) => counted.Last! with
    {
        Time = now,
        Times = counted.More,
        Detail = string.Create(CultureInfo.InvariantCulture, $"{counted.More} more since {since:O}; the last: {counted.Last!.Detail}"),
    };

    private sealed class Counted
    {
        public required int Each { get; init; }

        public int Times { get; set; }

        public int More => Math.Max(0, Times - Each);

        public AuditRecord? Last { get; set; }
    }
}
