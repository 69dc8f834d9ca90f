using System.Globalization;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// A hostile writer, who can put arbitrary values into the replicas' Redis but has none of their keys (law L14): it deletes, overwrites, copies,
/// swaps and puts back old values, points one thing at another, and signals.
/// </summary>
internal sealed class HostileWriter(World world, Random random)
{
    private const int ActsAtOnce = 3;
    private const int MostSeen = 400;

    private static readonly string Leases = LedgerKeys.Of(PlanMaker.DatabaseName)[Array.IndexOf(LedgerKeys.Parts, "leases")];
    private static readonly string Holders = LedgerKeys.Of(PlanMaker.DatabaseName)[Array.IndexOf(LedgerKeys.Parts, "holders")];
    private static readonly string Pools = LedgerKeys.Of(PlanMaker.DatabaseName)[Array.IndexOf(LedgerKeys.Parts, "pools")];

    // What stood there once: sealed texts are good for nothing but being put back.
    private readonly List<(string Key, string Field, string Value)> seen = [];

    /// <summary>Looks at what there is, and writes.</summary>
    public void Write()
    {
        if (world.Ledger.IsFull) return; // the writer cannot write then either
        for (var i = 0; i < ActsAtOnce; i++)
        {
            var fields = world.Ledger.Entries.Where(static entry => !entry.Ranked).Select(static entry => (entry.Key, Field: entry.Name)).ToArray();
            if (fields.Length == 0) return;
            Remember(fields);
            Act(fields);
        }
    }

    private void Act((string Key, string Field)[] fields)
    {
        var (key, field) = Any(fields);
        var like = fields.Where(other => other.Key == key && KindOf(other) == KindOf((key, field))).ToArray();
        switch (random.Next(12))
        {
            case 0: Execute("HDEL", key, field); break;
            case 1: foreach (var (_, other) in fields.Where(other => other.Key == key)) Execute("HDEL", key, other); break;
            case 2: Put(key, field, Value(Any(like))); break;
            case 3: Swap((key, field), Any(like)); break;
            case 4:
                var old = seen[random.Next(seen.Count)];
                Put(random.Next(2) == 0 ? old.Key : key, random.Next(2) == 0 ? old.Field : field, old.Value);
                break;
            case 5: Put(key, field, Changed(Value((key, field)))); break;
            case 6: SwapLeases(fields); break;
            case 7: PointElsewhere(fields); break;
            case 8: Rank(); break;
            case 9: ForgeKey(); break;
            case 10: RaiseCeiling(fields); break;
            default: Signal(field); break;
        }
    }

    private void Signal(string of) => Execute("PUBLISH", LedgerKeys.Channel(PlanMaker.DatabaseName), random.Next(3) switch
    {
        0 => "line",
        1 => $"holder:made-up:{of}",
        _ => $"holder:{random.NextInt64(1L << 45)}:{of}",
    });

    // All that is known of two leases, or the login alone, stands under the other's name.
    private void SwapLeases((string Key, string Field)[] fields)
    {
        var ids = fields.Where(static entry => entry.Key == Leases && entry.Field.EndsWith(":login", StringComparison.Ordinal)).Select(static entry => entry.Field[..^6]).ToArray();
        if (ids.Length < 2) return;
        var (one, other) = (ids[random.Next(ids.Length)], ids[random.Next(ids.Length)]);
        if (random.Next(2) == 0) Swap((Leases, one + ":login"), (Leases, other + ":login"));
        else foreach (var (_, field) in fields.Where(entry => entry.Key == Leases && entry.Field.StartsWith(one + ":", StringComparison.Ordinal))) Swap((Leases, field), (Leases, other + field[one.Length..]));
    }

    // A holder, or a pool, has another's lease.
    private void PointElsewhere((string Key, string Field)[] fields)
    {
        var ids = fields.Where(static entry => entry.Key == Leases && entry.Field.EndsWith(":state", StringComparison.Ordinal)).Select(static entry => entry.Field[..^6]).ToArray();
        var from = fields.Where(static entry => entry.Key == Holders || entry.Key == Pools).ToArray();
        if (ids.Length == 0 || from.Length == 0) return;
        var (key, field) = Any(from);
        var lease = ids[random.Next(ids.Length)];
        Put(key, field, key == Pools ? lease : string.Join('|', Value((key, field)).Split('|').Skip(1).Prepend(lease)));
    }

    // A sealing key of his own, in the place of another or beside them.
    private void ForgeKey()
    {
        var there = world.Ledger.Keys.HashAt(KeyspaceRing.Key);
        Put(KeyspaceRing.Key, random.Next(2) == 0 && there.Count > 0 ? there.Keys.ElementAt(random.Next(there.Count)) : "forged", KeyspaceRing.Forge(random, there.Values));
    }

    // A ceiling as he would like it, or the one of another database.
    private void RaiseCeiling((string Key, string Field)[] fields)
    {
        var set = fields.Where(static entry => entry.Field.StartsWith(Rights.CeilingPrefix, StringComparison.Ordinal)).ToArray();
        if (set.Length == 0) return;
        var (key, field) = Any(set);
        Put(key, field, random.Next(3) switch { 0 => "1000000|1", 1 => "-|1", _ => Value(Any(set)) });
    }

    private void Rank()
    {
        var members = world.Ledger.Entries.Where(static entry => entry.Ranked).ToArray();
        if (members.Length == 0) return;
        var (_, key, name) = members[random.Next(members.Length)];
        if (random.Next(2) == 0) Execute("ZREM", key, name);
        else Execute("ZADD", key, random.NextInt64(1L << 45).ToString(CultureInfo.InvariantCulture), random.Next(2) == 0 ? name : members[random.Next(members.Length)].Name);
    }

    private void Remember((string Key, string Field)[] fields)
    {
        foreach (var entry in fields.Where(_ => random.Next(10) == 0)) seen.Add((entry.Key, entry.Field, Value(entry)));
        if (seen.Count == 0) seen.Add((fields[0].Key, fields[0].Field, Value(fields[0])));
        if (seen.Count > MostSeen) seen.RemoveRange(0, seen.Count - MostSeen);
    }

    // A number becomes another; so does a letter of a sealed text, or all of it.
    private string Changed(string value)
    {
        if (long.TryParse(value, out var number)) return (random.Next(3) switch { 0 => number + random.Next(-20_000, 20_000), 1 => random.Next(100), _ => random.NextInt64(1L << 45) }).ToString(CultureInfo.InvariantCulture);
        if (value.Length == 0 || random.Next(4) == 0) return "made-up";
        var at = random.Next(value.Length);
        return value[..at] + (char)('0' + random.Next(10)) + value[(at + 1)..];
    }

    private void Swap((string Key, string Field) one, (string Key, string Field) other)
    {
        var (first, second) = (Value(one), Value(other));
        Put(one.Key, one.Field, second);
        Put(other.Key, other.Field, first);
    }

    // A field of a lease is named after it; any other is like those beside it.
    private static string KindOf((string Key, string Field) of) => of.Key == Leases ? of.Field[(of.Field.LastIndexOf(':') + 1)..] : "";

    private (string Key, string Field) Any((string Key, string Field)[] of) => of[random.Next(of.Length)];

    private string Value((string Key, string Field) of) => world.Ledger.Keys.HashAt(of.Key).GetValueOrDefault(of.Field, "");

    private void Put(string key, string field, string value) => Execute("HSET", key, field, value);

    private void Execute(params string[] words)
    {
        if (world.Trace.IsKept) world.Trace.Say($"somebody writes {string.Join(' ', words)}");
        world.Ledger.Keys.Execute(words);
    }
}
