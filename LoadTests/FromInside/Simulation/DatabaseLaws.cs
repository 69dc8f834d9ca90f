using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>Holds what is decided on one database against the laws.</summary>
internal sealed class DatabaseLaws
{
    // Where an answer says under which mark something was changed; empty: nothing was.
    private const int Marked = 1;

    private const long LookEvery = 16;

    private readonly World world;
    private readonly string[] keys;
    private readonly Dictionary<string, string[]> names = new(StringComparer.Ordinal);
    private readonly Capacities capacities;
    private readonly IssueLaws issues;
    private readonly BookLaws books;
    private readonly DutyLaws duties;
    private long believed; // decisions that said that they changed nothing a law is about
    private TimeSpan sampledAt; // by true time: the ledger's clock may fall back
    private TimeSpan? fitted; // when it was counted last, if what was promised fitted then

    public DatabaseLaws(World world, Database database)
    {
        (this.world, Database) = (world, database);
        Address = World.AddressOf(database);
        keys = LedgerKeys.Of(Address);
        (capacities, issues, books, duties) = (new(world), new(world, database), new(world, database), new(world, database));
        View = LedgerView.Read(world.Ledger.Keys, keys, names);
    }

    public Database Database { get; }

    /// <summary>Where its records are in the ledger.</summary>
    public string Address { get; }

    /// <summary>Its part of the ledger after the last decision.</summary>
    public LedgerView View { get; private set; }

    /// <summary>The ceiling that an operator set last; null: the configured one is in force.</summary>
    public int? Ceiling { get; set; }

    /// <summary>What can be promised on it.</summary>
    public Capacities Capacities => capacities;

    // By how much its part of the ledger may be behind the true time: what passed between its last sign of life and each fall.
    private TimeSpan Lag => world.Ledger.LagOf(Address);

    // Said where there are several.
    private string Of => world.Plan.Scene.Beside is null ? "" : " of " + Database.Name;

    /// <summary>Reads its part of the ledger again.</summary>
    public void Read()
    {
        View = LedgerView.Read(world.Ledger.Keys, keys, names);
        world.Laws.Read();
    }

    /// <summary>The server is not what it was. Whether less can be promised.</summary>
    public bool Shrinks()
    {
        var settings = Database.Budget;
        var share = Math.Max(0, world.Database.Limit - world.Database.Reserved) * settings.CeilingPercent / 100;
        return capacities.Shrinks(Math.Max(0, Math.Min(share - world.Database.Foreign, Ceiling ?? settings.Ceiling ?? int.MaxValue)));
    }

    /// <summary>Whether it was counted, all that is counted being later than some moment, and what was promised fitted.</summary>
    public bool FitsSince(TimeSpan moment) => moment < fitted - Laws.LongestCount;

    public void Decided(Decision decision, IReadOnlyList<string> arguments, string[] answer)
    {
        Say(decision, arguments, answer);
        // What is only about duties and flights changes nothing that a law is about, unless holders were ended by the way.
        if (decision == Decision.TakeFlight) issues.Decided(decision, arguments, answer, View, View);
        if (decision == Decision.Done || decision == Decision.TakeFlight || decision == Decision.Land || (decision == Decision.Due && answer[Marked].Length == 0))
        {
            ChangedNothing(decision);
            return;
        }

        var before = View;
        Read();
        books.Check(View);
        duties.Check(View);
        if (decision == Decision.Sample) sampledAt = world.Now;
        foreach (var (id, holder) in View.Holders)
        {
            before.Holders.TryGetValue(id, out var had);
            // What a replica remembers of a ledger's losses is put back, not granted again.
            if (decision == Decision.Restore) continue;
            if (had is null || holder.Connections > had.Connections) Reserved(holder);
            if (holder.Holds && (had is null || !had.Holds || had.Lease != holder.Lease) && !id.EndsWith('~')) Given(holder);
            if (holder.Holds && holder.Till > (had?.Till ?? 0) && View.Leases.TryGetValue(holder.Lease, out var held) && holder.Till > held.Expires) Break("L4", $"{id} may stay until after its lease's end");
        }

        foreach (var lease in View.Leases.Values)
        {
            before.Leases.TryGetValue(lease.Id, out var was);
            if (lease.State != was?.State) Moved(was, lease, decision);
        }

        if (decision == Decision.Sample) Sampled(Decision.Sample.ReadAsked(arguments).Capacity);
        issues.Decided(decision, arguments, answer, before, View);
    }

    // Looked at now and then: reading all there is takes longer than the decision did.
    private void ChangedNothing(Decision decision)
    {
        if (++believed % LookEvery != 0) return;
        var now = LedgerView.Read(world.Ledger.Keys, keys, names);
        if (now.Granted != View.Granted || now.InLine != View.InLine || !Same(now.Holders, View.Holders) || !Same(now.Leases, View.Leases))
            Break("fault", $"decision {decision.Name} changed holders, the line or leases, and did not say so");
    }

    private static bool Same<T>(IReadOnlyDictionary<string, T> one, IReadOnlyDictionary<string, T> other) where T : class =>
        one.Count == other.Count && one.All(item => item.Value.Equals(other.GetValueOrDefault(item.Key)));

    private void Say(Decision decision, IReadOnlyList<string> arguments, string[] answer)
    {
        if (world.Trace.IsKept) world.Trace.Remark($"ledger {decision} {Shown(decision, arguments)} -> {string.Join(' ', answer)}");
        world.Trace.Mark(decision.Name);
        foreach (var word in answer) world.Trace.Mark(word);
    }

    private void Reserved(HolderView holder)
    {
        world.Laws.Reserved(holder);
        if (View.Capacity is not { } capacity) Break("L2", $"{holder.Id} got {holder.Connections} connections before any were counted");
        else if (View.Granted > capacity) Break("L2", $"{holder.Id} got {holder.Connections} connections: {View.Granted} of {capacity} are granted{Of}");
        else if (world.Now - sampledAt > Database.Budget.StaleAfter + TimeSpan.FromMilliseconds(1) + Lag) Break("L2", $"{holder.Id} got connections on a stale count");
    }

    private void Given(HolderView holder)
    {
        if (!View.Leases.TryGetValue(holder.Lease, out var lease))
        {
            Break("L3", $"{holder.Id} holds lease {holder.Lease}, which is not there");
            return;
        }

        if (lease.State != "Active") Break("L3", $"{holder.Id} was given lease {lease.Id}, which is {lease.State}");
        if (lease.Expires - world.Laws.LedgerNow + (long)Lag.TotalMilliseconds < lease.Life / 2) Break("L3", $"{holder.Id} was given lease {lease.Id} with {lease.Expires - world.Laws.LedgerNow} of {lease.Life} ms left");
        if (!world.Database.Users.TryGetValue(lease.User, out var user))
        {
            if (!world.Laws.IsExcused(lease.Id, lease.User) && !world.Laws.Losses.MayLeadBackTo(lease.User)) Break("L3", $"{holder.Id} was given user {lease.User}, which is not in the database");
        }
        else if (!user.HasBeenTried)
        {
            Break("L3", $"{holder.Id} was given user {user.Name}, whose login nobody tried");
        }
    }

    private void Moved(LeaseView? was, LeaseView lease, Decision decision)
    {
        // What a replica remembers is put back into whatever a ledger that lost something knows.
        var legal = decision == Decision.Restore || (was?.State, lease.State) switch
        {
            (null, "Issuing") => true,
            (null, "Unknown") => lease.Id.Count(static letter => letter == '-') == 2, // what an attempt that was overtaken made, by its number
            ("Issuing", "Active" or "Failed" or "Unknown") => true,
            ("Active", "Retiring" or "Expired") => true,
            ("Retiring", "Revoking" or "Expired") => true,
            ("Active", "Revoking") => lease.Holders == 0, // by way of Retiring, in one step
            ("Unknown" or "Expired", "Revoking") => true,
            ("Revoking", "Revoked" or "RevokeFailed") => true,
            ("RevokeFailed", "Revoking" or "Revoked") => true,
            _ => false,
        };
        if (!legal) Break("L5", $"lease {lease.Id} moved from {was?.State ?? "nothing"} to {lease.State}");
        if (lease.State == "Revoking" && was?.State is "Active" or "Retiring" && lease.Holders > 0 && lease.Expires > world.Laws.LedgerNow && !world.Laws.Ordered.Contains(lease.Id))
            Break("L4", $"lease {lease.Id} is being revoked with {lease.Holders} holders, before its end");
        if (decision == Decision.Restore) return;
        if (lease.State == "Expired" && lease.Expires > world.Laws.LedgerNow) Break("L4", $"lease {lease.Id} expired {lease.Expires - world.Laws.LedgerNow} ms before its end");
        if (lease.State == "Revoked" && !world.Issuer.Forgotten.Contains(lease.User) && world.Database.Users.ContainsKey(lease.User)) Break("L5", $"lease {lease.Id} is revoked, its user {lease.User} is in the database");
        if (lease.State == "Failed" && lease.User.Length > 0 && world.Database.Users.ContainsKey(lease.User)) Break("L5", $"lease {lease.Id} has failed, its user {lease.User} is in the database");
    }

    // What the broker believes it may promise was so at some moment not long ago.
    private void Sampled(int capacity)
    {
        var most = capacities.MostIn(Laws.LongestCount);
        fitted = View.Granted <= capacity && capacity <= capacities.Last ? world.Now : null;
        world.Laws.Counted();
        if (capacity > most) Break("L2", $"the capacity{Of} was counted as {capacity}; it was {most} at most in the last {Laws.LongestCount.TotalSeconds} s");
    }

    private static string Shown(Decision decision, IReadOnlyList<string> arguments) =>
        decision == Decision.Issued && Decision.Issued.ReadAsked(arguments) is var made ? $"{made.Lease} {made.Fence} {made.Username}" : string.Join(' ', arguments);

    private void Break(string law, string what) => world.Laws.Break(law, what);
}
