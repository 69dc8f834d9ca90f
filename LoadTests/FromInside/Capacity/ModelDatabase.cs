using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Capacity;

/// <summary>One database: its leases, one after the other as they fill, and the pace at which it can make users. It has connections enough for all.</summary>
internal sealed class ModelDatabase(string name, int master, int maxHolders, PaceSettings pace, Station issuing)
{
    private readonly double spacing = pace.Spacing().TotalSeconds, tolerance = pace.Tolerance().TotalSeconds;
    private ModelLease? newest;
    private double booked;

    public string Name => name;

    /// <summary>The master that has its slot.</summary>
    public int Master => master;

    /// <summary>Where its users are made, a bounded number at once.</summary>
    public Station Issuing => issuing;

    /// <summary>Claims that were decided.</summary>
    public int Claims { get; set; }

    /// <summary>The lease for a new holder; a new lease where none has room.</summary>
    /// <param name="now">The time.</param>
    /// <param name="startsIn">For a lease that is to be issued now: in how many seconds the pace allows it; null: it is there, or is being issued.</param>
    public ModelLease Join(double now, out double? startsIn)
    {
        startsIn = null;
        if (newest is null || newest.Holders >= maxHolders)
        {
            newest = new();
            var starts = Math.Max(now, booked - tolerance);
            booked = Math.Max(booked, starts) + spacing;
            startsIn = starts - now;
        }

        newest.Holders++;
        return newest;
    }

    /// <summary>A lease exists before anybody asks.</summary>
    public void KeepReady() => newest = new() { IsActive = true };
}

/// <summary>One lease, being issued or active.</summary>
internal sealed class ModelLease
{
    public int Holders { get; set; }

    public bool IsActive { get; set; }

    /// <summary>The pods that sleep until it is active.</summary>
    public List<ModelPod> Sleepers { get; } = [];
}

/// <summary>One pod, and the replica that it asks.</summary>
internal sealed class ModelPod(Station replica, ModelTrips trips, ModelDatabase database, double came)
{
    public Station Replica => replica;

    /// <summary>The replica's claims on its database.</summary>
    public ModelTrips Trips => trips;

    public ModelDatabase Database => database;

    /// <summary>When it began to ask.</summary>
    public double Came => came;

    /// <summary>The lease whose holder it is; null: none yet.</summary>
    public ModelLease? Lease { get; set; }

    /// <summary>When it went to sleep until its lease is active; null: it does not sleep.</summary>
    public double? SleepsFrom { get; set; }
}
