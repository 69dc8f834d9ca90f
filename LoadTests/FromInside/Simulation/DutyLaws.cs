using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>Nothing is forgotten (L5): each lease has a duty that takes it further, and one that is given has those that keep it.</summary>
internal sealed class DutyLaws(World world, Database database)
{
    private readonly string duties = LedgerKeys.Of(World.AddressOf(database))[8];

    public void Check(LedgerView view)
    {
        var set = world.Ledger.Keys.RankedAt(duties);
        foreach (var lease in view.Leases.Values)
        {
            foreach (var duty in DutiesOf(lease))
            {
                if (set.Score($"{duty}:{lease.Id}") is null) world.Laws.Break("L5", $"lease {lease.Id} is {lease.State}, and nobody is to {duty} it");
            }
        }
    }

    private static string[] DutiesOf(LeaseView lease) => lease.State switch
    {
        "Issuing" or "Unknown" or "Revoked" or "Failed" => ["reap"],
        "Active" => ["expire", lease.Renewable ? "renew" : "rotate"],
        "Retiring" => ["expire"],
        _ => ["revoke"],
    };
}
