using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;

namespace LoadTests.FromInside.Simulation;

/// <summary>A lease as it stands in the ledger. Times in the ledger's milliseconds.</summary>
internal sealed record LeaseView(
    string Id, string State, string Pool, string Role, string User, string Reason, long Expires, long Life, int Holders, int Connections, int Max, bool Begun, bool Renewable);

/// <summary>A holder as it stands in the ledger.</summary>
internal sealed record HolderView(string Id, string Lease, int Connections, long Till, bool Holds);

/// <summary>One database's part of the ledger, read from outside, without a script.</summary>
internal sealed class LedgerView
{
    private static readonly string[] Keys = LedgerKeys.Of(PlanMaker.DatabaseName);
    private static readonly string Over = Keys[Array.IndexOf(LedgerKeys.Parts, "over")];
    private static readonly string[] LeaseFields = ["state", "pool", "role", "user", "why", "expires", "life", "holders", "connections", "max", "begun", "renewable"];

    private LedgerView(Dictionary<string, LeaseView> leases, Dictionary<string, HolderView> holders, IReadOnlyDictionary<string, string> budget, int ends, int inLine, IEnumerable<string> leftovers)
    {
        (Leases, Holders, Ends, InLine, Leftovers) = (leases, holders, ends, inLine, leftovers);
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

    /// <summary>Users that the broker shows as its leftovers.</summary>
    public IEnumerable<string> Leftovers { get; }

    /// <summary>Reads it.</summary>
    /// <param name="keys">The ledger.</param>
    /// <param name="names">Names of fields by lease, made once and kept by the caller.</param>
    public static LedgerView Read(Keyspace keys, Dictionary<string, string[]> names)
    {
        var fields = keys.HashAt(Keys[1]);
        var leases = new Dictionary<string, LeaseView>(StringComparer.Ordinal);
        foreach (var id in keys.RankedAt(Keys[2]).Range(0, int.MaxValue - 1, withScores: false).Concat(keys.RankedAt(Over).Range(0, int.MaxValue - 1, withScores: false)))
        {
            if (!names.TryGetValue(id, out var name)) names[id] = name = Array.ConvertAll(LeaseFields, field => $"{id}:{field}");
            string Field(int at) => fields.GetValueOrDefault(name[at], "");
            if (Field(0).Length == 0) continue;
            leases[id] = new(
                id, Field(0), Field(1), Field(2), Field(3), Field(4), Long(Field(5)), Long(Field(6)), (int)Long(Field(7)), (int)Long(Field(8)), (int)Long(Field(9)),
                Field(10) == "1", Field(11) == "1");
        }

        var holders = new Dictionary<string, HolderView>(StringComparer.Ordinal);
        foreach (var (id, packed) in keys.HashAt(Keys[4]))
        {
            var parts = packed.Split('|', 6);
            holders[id] = new(id, parts[0], Number(parts[1]), Long(parts[2]), parts[3] == "h");
        }

        return new(leases, holders, keys.HashAt(Keys[0]), keys.RankedAt(Keys[5]).Count, keys.RankedAt(Keys[6]).Count, keys.HashAt(Keys[12]).Keys);
    }

    private static long Long(string text) => text.Length == 0 ? 0 : long.Parse(text, CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
