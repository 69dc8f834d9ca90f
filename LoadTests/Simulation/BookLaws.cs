using Broker.Core.Ledger;

namespace LoadTests.Simulation;

/// <summary>The ledger's books agree with each other (L2): what is summed up is the sum of what there is.</summary>
internal sealed class BookLaws(World world)
{
    private static readonly string[] Keys = LedgerKeys.Of(PlanMaker.DatabaseName);

    public void Check(LedgerView view)
    {
        var sum = view.Holders.Values.Sum(holder => holder.Connections);
        if (sum != view.Granted) Break($"the ledger says {view.Granted} are granted; its holders have {sum}");
        foreach (var role in world.Plan.Scene.Roles) CountRole(view, role.Name);
        CountEnds(view);
        CountLeases(view);
        var tickets = world.Ledger.Keys.HashAt(Keys[7]).Count;
        if (tickets != view.InLine) Break($"{view.InLine} are in line, with {tickets} tickets");
    }

    private void CountRole(LedgerView view, string role)
    {
        var holders = view.Holders.Values.Where(holder => holder.Id.StartsWith(role + ".", StringComparison.Ordinal)).ToArray();
        var budget = world.Ledger.Keys.HashAt(Keys[0]);
        var (count, connections) = (budget.GetValueOrDefault("holders:" + role, "0"), budget.GetValueOrDefault("connections:" + role, "0"));
        if ($"{holders.Length} {holders.Sum(holder => holder.Connections)}" != $"{count} {connections}")
            Break($"role {role} says {count} holders with {connections}; there are {holders.Length} with {holders.Sum(holder => holder.Connections)}");
    }

    private void CountEnds(LedgerView view)
    {
        var ends = world.Ledger.Keys.RankedAt(Keys[5]);
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

    private void Break(string what) => world.Laws.Break("L2", what);
}
