using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit.Unproven;

/// <summary>
/// Refusals of unproven callers. Anybody can cause them as fast as the network allows, so they are kept apart
/// from the record of who was granted what: each address's first refusals in a minute are written one by one, the rest are counted by address
/// and summed up at the end of the minute. A refusal that cannot be written is still a refusal.
/// </summary>
public sealed class UnprovenRefusals : IAsyncDisposable
{
    /// <summary>How many refusals of one address are written one by one in a minute.</summary>
    public const int EachOfAnAddress = 5;

    /// <summary>How many refusals of all addresses together are written one by one in a minute.</summary>
    public const int EachOfAll = 60;

    /// <summary>How many addresses get their own sum at the end of a minute; the rest are summed together.</summary>
    public const int SummedUp = 40;

    /// <summary>How many addresses are counted separately; further ones are counted together.</summary>
    private const int MostAddresses = 10_000;

    // In bytes.
    private const int LongestText = 200;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly IAudit audit;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly ITimer timer;
    private readonly Lock gate = new();
    private Dictionary<string, Counted> addresses = new(StringComparer.Ordinal);
    private DateTimeOffset since;
    private int each;
    private int elsewhere;
    private bool counting;

    /// <param name="audit">Where they go: a separate record where the audit is a file.</param>
    /// <param name="time">The clock of the minute.</param>
    /// <param name="log">Logs what was summed up.</param>
    public UnprovenRefusals(IAudit audit, TimeProvider time, ILogger<UnprovenRefusals> log)
    {
        (this.audit, this.time, this.log) = (audit, time, log);
        timer = time.CreateTimer(static refusals => _ = ((UnprovenRefusals)refusals!).SumUpAsync(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How many addresses are being counted now.</summary>
    public int Addresses
    {
        get { lock (gate) return addresses.Count; }
    }

    /// <summary>
    /// Writes or counts a refusal; true when it was written by itself. Never fails: an unproven caller is refused, whether or not the refusal can be
    /// written.
    /// </summary>
    /// <param name="record">The refusal.</param>
    /// <param name="address">The key by which its address is counted.</param>
    /// <param name="cancellation">The caller left.</param>
    public async ValueTask<bool> WriteAsync(AuditRecord record, string address, CancellationToken cancellation)
    {
        if (!Count(address, record)) return false;
        try
        {
            await audit.WriteAsync(record with { Detail = Cut(record.Detail), Role = Cut(record.Role) }, cancellation);
        }
        catch (AuditUnavailableException)
        {
            // The audit's own log says so.
        }

        return true;
    }

    /// <summary>Writes the sums. Called each minute, and at the end.</summary>
    public async Task SumUpAsync()
    {
        List<AuditRecord> sums = [];
        lock (gate)
        {
            if (!counting) return;
            var now = time.GetUtcNow();
            var most = addresses.Where(static known => known.Value.More > 0).OrderByDescending(static known => known.Value.More).ToList();
            sums.AddRange(most.Take(SummedUp).Select(known => Sum(now, known.Value.More, known.Key, known.Value.Last)));
            var rest = most.Skip(SummedUp).Sum(static known => known.Value.More) + elsewhere;
            if (rest > 0) sums.Add(Sum(now, rest, null, $"from {most.Count - Math.Min(most.Count, SummedUp)} other addresses, and from addresses that came when {MostAddresses} were already counted"));
            (addresses, each, elsewhere, counting) = (new(StringComparer.Ordinal), 0, 0, false);
        }

        if (sums.Count > 0) Log.UnprovenSummedUp(log, sums.Sum(static sum => sum.Times ?? 0), sums.Count);
        await audit.WriteAllAsync(sums);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await timer.DisposeAsync();
        await SumUpAsync();
    }

    // Whether it is one of the few that are written one by one.
    private bool Count(string address, AuditRecord record)
    {
        lock (gate)
        {
            if (!counting)
            {
                (counting, since) = (true, time.GetUtcNow());
                timer.Change(Minute, Timeout.InfiniteTimeSpan);
            }

            if (!addresses.TryGetValue(address, out var known))
            {
                if (addresses.Count >= MostAddresses)
                {
                    elsewhere++;
                    return false;
                }

                addresses[address] = known = new();
            }

            if (known.Each < EachOfAnAddress && each < EachOfAll)
            {
                known.Each++;
                each++;
                return true;
            }

            known.More++;
            known.Last = Cut(record.Detail) ?? "";
            return false;
        }
    }

    private AuditRecord Sum(DateTimeOffset now, int times, string? address, string last) => new()
    {
        Time = now,
        Action = AuditAction.Authenticate,
        Outcome = AuditOutcome.Refused,
        Refusal = Model.RefusalCode.Unauthenticated,
        Times = times,
        ClientAddress = address,
        Detail = string.Create(CultureInfo.InvariantCulture, $"{times} more since {since:O}; the last: {last}"),
    };

    private static string? Cut(string? text) => text is null ? null : AuditText.Within(text, LongestText);

    private sealed class Counted
    {
        public int Each { get; set; }

        public int More { get; set; }

        public string Last { get; set; } = "";
    }
}
