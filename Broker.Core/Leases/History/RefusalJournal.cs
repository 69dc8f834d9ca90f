using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Hosting;

namespace Broker.Core.Leases.History;

/// <summary>
/// Counts refusals by caller, and reports them to the ledger every few seconds. Bounded: beyond a number of callers, the rest are counted as
/// one. It keeps counting while the ledger is away.
/// </summary>
internal sealed class RefusalJournal(HistoryLedger history, TimeProvider time) : BackgroundService
{
    private const int MostApart = 1000;
    private const int LongestWords = 300;
    private const string Others = "(others)";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private Dictionary<(string Database, string Role, RefusalCode Code, string Caller), (int Count, string Words)> counted = [];

    /// <summary>Counts a refused claim. Refusals that concern only the caller do not belong into a DBA's history.</summary>
    public void Refused(string database, string role, string caller, Refusal refusal)
    {
        if (refusal.Code is RefusalCode.InvalidRequest or RefusalCode.NotAllowed or RefusalCode.Unauthenticated or RefusalCode.HolderUnknown or RefusalCode.SessionUnknown) return;
        lock (gate) Count((database, role, refusal.Code, caller), 1, refusal.Detail);
    }

    /// <summary>Reports the refusals since the last report to the ledger.</summary>
    public async Task TellAsync(CancellationToken cancellation)
    {
        Dictionary<(string Database, string Role, RefusalCode Code, string Caller), (int Count, string Words)> told;
        lock (gate)
        {
            if (counted.Count == 0) return;
            (told, counted) = (counted, []);
        }

        foreach (var database in told.GroupBy(refused => refused.Key.Database, StringComparer.Ordinal))
        {
            try
            {
                foreach (var some in database.Chunk(100))
                {
                    await history.RefusedAsync(
                        database.Key, [.. some.Select(refused => new RefusedCaller(refused.Key.Role, WireName.Of(refused.Key.Code), refused.Key.Caller, refused.Value.Count, refused.Value.Words))], cancellation);
                    foreach (var (key, _) in some) told.Remove(key);
                }
            }
            catch (LedgerException)
            {
                // It is reported next time, as far as it is known then.
            }
        }

        lock (gate)
        {
            foreach (var (key, value) in told) Count(key, value.Count, value.Words);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) await TellAsync(stoppingToken);
    }

    private void Count((string Database, string Role, RefusalCode Code, string Caller) key, int count, string words)
    {
        if (counted.Count >= MostApart && !counted.ContainsKey(key)) key = key with { Caller = Others };
        counted[key] = (counted.GetValueOrDefault(key).Count + count, words.Length > LongestWords ? words[..LongestWords] : words);
    }
}
