using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Microsoft.Extensions.Logging.Abstractions;

namespace LoadTests.FromInside.Crash;

/// <summary>Holders that come and go on a ledger's file, several at once; each says what it was answered, and before that what it asks.</summary>
internal static class CrashWorker
{
    public const string Database = "orders";
    public const int Capacity = 1_000_000;
    private const int AtOnce = 8;

    private static readonly RoleTerms Terms = new("r", 0, TimeSpan.FromHours(12), 1_000_000, TimeSpan.FromHours(12));
    private static readonly PaceSettings Pace = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };

    public static async Task WorkAsync(string file, TextWriter said, CancellationToken cancellation)
    {
        await using var store = new FileLedgerStore(new() { Kind = LedgerKind.File, Path = file }, TimeProvider.System, NullLogger<FileLedgerStore>.Instance);
        var ledger = new SharedLedger(store);
        await ledger.Budgets.SampleAsync(Database, Capacity, Capacity, 0, Capacity, 0, TimeSpan.FromHours(12), cancellation);
        await EnsureLeaseAsync(ledger, cancellation);
        var run = Guid.NewGuid().ToString("N")[..8];
        Say(said, "working");
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async worker =>
        {
            for (var i = 0; !cancellation.IsCancellationRequested; i++)
            {
                var holder = string.Create(CultureInfo.InvariantCulture, $"r.{run}-{worker}-{i}");
                var connections = 1 + (i % 5);
                Say(said, $"asks {holder} {connections}");
                if (await ClaimAsync(ledger, holder, connections, cancellation) is not ClaimAnswer.Granted granted) throw new InvalidOperationException("There is room, and a lease.");
                Say(said, $"granted {holder} {granted.Connections}");
                if (i % 3 != 0) continue;
                Say(said, $"leaves {holder}");
                await ledger.Holders.ReleaseAsync(Database, holder, cancellation);
                Say(said, $"left {holder}");
            }
        }));
    }

    private static async Task EnsureLeaseAsync(SharedLedger ledger, CancellationToken cancellation)
    {
        // A process that was killed in the middle left an attempt behind; another takes it over when it has been silent for a while.
        while (await ClaimAsync(ledger, "r.first", 1, cancellation) is var answer and not ClaimAnswer.Granted)
        {
            if (answer is not ClaimAnswer.Issue order)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellation);
                continue;
            }

            if (await ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Pace, cancellation) is not BeginAnswer.Go go) continue;
            await ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence, "ref", "user", "sealed", TimeSpan.FromHours(12), go.Now, true, cancellation);
            await ledger.Issues.ActivateAsync(Database, order.Lease, order.Fence, TimeSpan.FromMinutes(5), 0.5, null, cancellation);
        }
    }

    private static async Task<ClaimAnswer> ClaimAsync(SharedLedger ledger, string holder, int connections, CancellationToken cancellation) =>
        (await ledger.Claims.ClaimAsync(
            Database, Pace, 100, [new(holder, Terms, "r", connections, connections, TimeSpan.FromSeconds(30), TimeSpan.Zero, ClaimKind.Claim, "orders/pod")], cancellation))[0];

    // One write a line, so that a killed process leaves whole lines and perhaps one that is cut.
    private static void Say(TextWriter said, string line)
    {
        lock (said)
        {
            said.Write(line + "\n");
            said.Flush();
        }
    }
}
