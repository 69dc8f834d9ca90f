using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Sealing;

namespace Broker.Core.Leases.Recovering;

/// <summary>
/// Whether this replica may work on the ledger: the ledger permits everything that decisions do and
/// keeps what is written; the replica can open what the others seal, may signal and hears signals, and means the same
/// servers by the same databases. Otherwise it reads, counts, takes and changes nothing, and is not ready. Checked again every
/// ten seconds.
/// </summary>
internal sealed class Fitness(ILedgerStore store, LedgerSeal seal, ICatalog catalog, TimeProvider time, CodedKeyRing? keys = null)
{
    private static readonly TimeSpan Good = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan HearWithin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan BetweenSignals = TimeSpan.FromMilliseconds(100);

    private readonly SharedLedger ledger = new(store);
    private readonly Agreement agreement = new(new(store), time);
    private readonly SealCheck seals = new(new(store), seal);
    private readonly Lock gate = new();
    private Task<string?>? looking;
    private Verdict? verdict;
    private bool heard;
    private int doubts;

    /// <summary>What the ledger's operator should know, as of the last check; null when nothing.</summary>
    public string? Note { get; private set; }

    /// <summary>Why it may not; null when it may.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, and was never seen.</exception>
    public async ValueTask<string?> WhyNotAsync(CancellationToken cancellation)
    {
        Task<string?> look;
        lock (gate)
        {
            var good = verdict is { } known && time.GetElapsedTime(known.At) < (known.WhyNot is null ? Good : Again);
            if (good) return verdict!.WhyNot;
            look = looking is null or { IsCompleted: true } ? looking = LookAsync() : looking;

            // A ledger that was fit a moment ago is checked again in the background.
            if (verdict is { WhyNot: null }) return null;
        }

        return await look.WaitAsync(cancellation);
    }

    /// <summary>The ledger has forbidden something: the last result no longer holds, and the next caller waits for another check.</summary>
    public void Doubt()
    {
        lock (gate) (verdict, looking, doubts) = (null, null, doubts + 1);
    }

    private async Task<string?> LookAsync()
    {
        var begunAt = doubts; // under the gate, until it yields
        await Task.Yield();
        try
        {
            var whyNot = await WhyNotNowAsync();
            lock (gate)
            {
                // A check that began before a doubt says nothing after it.
                if (begunAt == doubts) verdict = new(whyNot, time.GetTimestamp());
            }

            return whyNot;
        }
        catch (LedgerException)
        {
            agreement.LookAnew();

            // An unreachable ledger says nothing about this replica.
            if (verdict is { } last) return last.WhyNot;
            throw;
        }
    }

    private async Task<string?> WhyNotNowAsync()
    {
        var (whyNot, note) = await store.LookAsync([.. LedgerKeys.OfNoDatabase, .. catalog.Current.Databases.Keys.SelectMany(static name => new[] { name, HistoryLedger.NameOf(name) })], CancellationToken.None);
        Note = note;
        if (whyNot is not null) return whyNot;
        keys?.PutBack();
        if (await agreement.OthersAsync(SealCheck.Name, seals.Opens, seals.Say) is not null)
            return "its sealing keys differ from those of the other replicas (Broker:Sealing); if they are to be changed or are lost, stop all replicas with the former ones for a minute and a half";
        if (!heard && !(heard = await HearsAsync()))
            return "it does not receive its own signals: its user in Redis needs the channels of Broker:Ledger:Prefix (docs/redis.md)";
        foreach (var database in catalog.Current.Databases.Values)
        {
            if (await OtherServerAsync(database) is { } other) return other;
        }

        return null;
    }

    private async Task<bool> HearsAsync()
    {
        var token = Guid.NewGuid().ToString("N");
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listening = ledger.Listen(SharedLedger.Issuers, subject =>
        {
            if (subject == "hear:" + token) arrived.TrySetResult();
        });
        var from = time.GetTimestamp();
        do
        {
            await ledger.Texts.SignalAsync(token, CancellationToken.None);
            await arrived.Task.WaitAsync(BetweenSignals, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        while (!arrived.Task.IsCompleted && time.GetElapsedTime(from) < HearWithin);
        return arrived.Task.IsCompleted;
    }

    private async Task<string?> OtherServerAsync(Database database)
    {
        var mine = string.Create(CultureInfo.InvariantCulture, $"{database.Engine} {database.Host.ToLowerInvariant()}:{database.Port}/{database.DatabaseName}");
        var others = await agreement.OthersAsync("server:" + database.Name, text => text == mine, () => mine);
        return others is null
            ? null
            : $"database '{database.Name}' is {others} for the other brokers on this ledger, but {mine} here: give this broker its own Broker:Ledger:Prefix, or the database another name; after a move, stop the other brokers for a minute and a half";
    }

    private sealed record Verdict(string? WhyNot, long At);
}
