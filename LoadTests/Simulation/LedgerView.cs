using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;

namespace LoadTests.Simulation;

/// <summary>A lease as it stands in the ledger. Times in the ledger's milliseconds.</summary>
internal sealed record LeaseView(
    string Id, string State, string Pool, string Role, string User, string Reason, long Expires, long Life, int Holders, int Connections, int Max, bool Begun);

/// <summary>A holder as it stands in the ledger.</summary>
internal sealed record HolderView(string Id, string Lease, int Connections, long Till, bool Holds);

/// <summary>One database's part of the ledger, read from outside, without a script.</summary>
internal sealed class LedgerView
{
    private static readonly string[] Keys = LedgerKeys.Of(PlanMaker.DatabaseName);

    private LedgerView(Dictionary<string, LeaseView> leases, Dictionary<string, HolderView> holders, IReadOnlyDictionary<string, string> budget, int ends, int inLine)
    {
        (Leases, Holders, Ends, InLine) = (leases, holders, ends, inLine);
        Capacity = budget.TryGetValue("capacity", out var capacity) ? Number(capacity) : null;
        Granted = Number(budget.GetValueOrDefault("granted", "0"));
        SampledAt = long.Parse(budget.GetValueOrDefault("sampled", "0"), CultureInfo.InvariantCulture);
    }

    public IReadOnlyDictionary<string, LeaseView> Leases { get; }

    public IReadOnlyDictionary<string, HolderView> Holders { get; }

    /// <summary>Null: never counted.</summary>
    public int? Capacity { get; }

    public int Granted { get; }

    public long SampledAt { get; }

    public int Ends { get; }

    public int InLine { get; }

    public static LedgerView Read(Keyspace keys)
    {
        var fields = keys.HashAt(Keys[1]);
        var leases = new Dictionary<string, LeaseView>(StringComparer.Ordinal);
        foreach (var id in keys.RankedAt(Keys[2]).Range(0, int.MaxValue - 1, withScores: false))
        {
            string Field(string name) => fields.GetValueOrDefault(id + ":" + name, "");
            if (Field("state").Length == 0) continue;
            leases[id] = new(
                id, Field("state"), Field("pool"), Field("role"), Field("user"), Field("why"), Long(Field("expires")), Long(Field("life")), (int)Long(Field("holders")),
                (int)Long(Field("connections")), (int)Long(Field("max")), Field("begun") == "1");
        }

        var holders = new Dictionary<string, HolderView>(StringComparer.Ordinal);
        foreach (var (id, packed) in keys.HashAt(Keys[4]))
        {
            var parts = packed.Split('|', 5);
            holders[id] = new(id, parts[0], Number(parts[1]), Long(parts[2]), parts[3] == "h");
        }

        return new(leases, holders, keys.HashAt(Keys[0]), keys.RankedAt(Keys[5]).Count, keys.RankedAt(Keys[6]).Count);
    }

    private static long Long(string text) => text.Length == 0 ? 0 : long.Parse(text, CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
