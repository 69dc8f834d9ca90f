using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>The ledger's books of a database agree with each other (L2): what is summed up is the sum of what there is.</summary>
internal sealed class BookLaws(World world, Database database)
{
    private readonly string[] keys = LedgerKeys.Of(World.AddressOf(database));

    private string Classes => keys[Array.IndexOf(LedgerKeys.Parts, "classes")];

    private string Followers => keys[Array.IndexOf(LedgerKeys.Parts, "breathing")];

    public void Check(LedgerView view)
    {
        var sum = view.Holders.Values.Sum(holder => holder.Connections);
        if (sum != view.Granted) Break($"the ledger says {view.Granted} are granted; its holders have {sum}");
        foreach (var role in world.Plan.Scene.Roles.Where(role => role.Database == database.Name)) CountRole(view, role.Name);
        CountEnds(view);
        CountLeases(view);
        CountClasses();
        var tickets = world.Ledger.Keys.HashAt(keys[7]).Count;
        if (tickets != view.InLine) Break($"{view.InLine} are in line, with {tickets} tickets");
    }

    private void CountRole(LedgerView view, string role)
    {
        var holders = view.Holders.Values.Where(holder => holder.Id.StartsWith(role + ".", StringComparison.Ordinal)).ToArray();
        var budget = world.Ledger.Keys.HashAt(keys[0]);
        var (count, connections) = (budget.GetValueOrDefault("holders:" + role, "0"), budget.GetValueOrDefault("connections:" + role, "0"));
        if ($"{holders.Length} {holders.Sum(holder => holder.Connections)}" != $"{count} {connections}")
            Break($"role {role} says {count} holders with {connections}; there are {holders.Length} with {holders.Sum(holder => holder.Connections)}");
    }

    private void CountEnds(LedgerView view)
    {
        var ends = world.Ledger.Keys.RankedAt(keys[5]);
        if (view.Ends != view.Holders.Count) Break($"{view.Holders.Count} holders, {view.Ends} ends");
        if (view.Holders.Values.FirstOrDefault(holder => ends.Score(holder.Id) != holder.Till) is { } holder)
            Break($"{holder.Id} has until {holder.Till}, and is ended at {ends.Score(holder.Id)}");
    }

    private void CountLeases(LedgerView view)
    {
        var held = view.Holders.Values.ToLookup(holder => holder.Lease, StringComparer.Ordinal);
        foreach (var lease in view.Leases.Values)
        {
            var (holders, connections) = (held[lease.Id].Count(), held[lease.Id].Sum(holder => holder.Connections));
            if (holders != lease.Holders || connections != lease.Connections)
                Break($"lease {lease.Id} says {lease.Holders} holders with {lease.Connections}; there are {holders} with {connections}");
        }
    }

    // How many holders there are of each kind, by which they are divided, and who follows sizes.
    private void CountClasses()
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        var follow = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, packed) in world.Ledger.Keys.HashAt(keys[4]))
        {
            var parts = packed.Split('|', 7);
            var size = parts[5][1..].Split(':', 5);
            var follows = size[3].Length > 0;
            var own = follows && parts[3] == "h" ? $"{size[0]}|{size[1]}|{size[2]}" : $"{parts[1]}|{parts[1]}|{parts[1]}";
            counts[$"{size[4]}|{own}"] = counts.GetValueOrDefault($"{size[4]}|{own}") + 1;
            if (follows && parts[3] == "h") follow.Add(id);
            if (int.Parse(size[2], CultureInfo.InvariantCulture) > int.Parse(parts[1], CultureInfo.InvariantCulture)) Break($"{id} is to go down to {size[2]} and has {parts[1]}");
        }

        var said = world.Ledger.Keys.HashAt(Classes);
        if (said.Count != counts.Count || counts.Any(kind => said.GetValueOrDefault(kind.Key) != kind.Value.ToString(CultureInfo.InvariantCulture)))
            Break($"of each kind there are {Text(counts)}; the ledger says {Text(said)}");
        var listed = world.Ledger.Keys.RankedAt(Followers).Range(0, int.MaxValue - 1, withScores: false);
        if (!follow.SetEquals(listed)) Break($"{string.Join(' ', follow)} follow sizes; the ledger says {string.Join(' ', listed)}");
    }

    private static string Text<T>(IEnumerable<KeyValuePair<string, T>> counts) => string.Join(' ', counts.OrderBy(kind => kind.Key, StringComparer.Ordinal).Select(kind => $"{kind.Key}={kind.Value}"));

    private void Break(string what) => world.Laws.Break("L2", what);
}
