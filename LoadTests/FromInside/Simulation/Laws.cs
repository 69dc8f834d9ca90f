using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace LoadTests.FromInside.Simulation;

/// <summary>A law that was broken.</summary>
/// <param name="Law">Which: L1 to L12, or <c>fault</c> for what no law allows either.</param>
/// <param name="What">What happened.</param>
/// <param name="At">When.</param>
internal sealed record Broken(string Law, string What, TimeSpan At);

/// <summary>Holds what happens against the laws. It knows the truth, and believes neither the ledger nor the replicas.</summary>
internal sealed class Laws(World world)
{
    /// <summary>How much longer than its caller waits a call may take: its last round trips with a ledger that answers none of them.</summary>
    public static readonly TimeSpan LongestOver = TimeSpan.FromSeconds(25);

    /// <summary>A count shows what was so at most this long ago.</summary>
    private static readonly TimeSpan LongestCount = TimeSpan.FromSeconds(12);

    // Where an answer says under which mark something was changed; empty: nothing was.
    private const int Marked = 1;

    private const long LookEvery = 16;

    private readonly Dictionary<string, string[]> names = new(StringComparer.Ordinal);
    private readonly List<(TimeSpan From, int Capacity)> capacities = [];
    private readonly IssueLaws issues = new(world);
    private readonly BookLaws books = new(world);
    private readonly DutyLaws duties = new(world);
    private readonly Promises promises = new(world);
    private long believed; // decisions that said that they changed nothing a law is about
    private TimeSpan sampledAt; // by true time: the ledger's clock may fall back
    private TimeSpan? shortSince; // since when the database may be too small for what was promised; null: it is not

    /// <summary>The first law that was broken; null: none.</summary>
    public Broken? Broken { get; private set; }

    /// <summary>What is broken and known: the run goes on past whatever contains one of these texts.</summary>
    public IReadOnlyList<string> Past { get; set; } = [];

    /// <summary>The ledger after the last decision.</summary>
    public LedgerView View { get; private set; } = LedgerView.Read(world.Ledger.Keys, []);

    /// <summary>Leases that an operator ordered to be revoked.</summary>
    public HashSet<string> Ordered { get; } = new(StringComparer.Ordinal);

    /// <summary>What somebody who writes into Redis may not get; null: nobody does.</summary>
    public Belongings? Belongings { get; } = world.Plan.IsHostile ? new(world) : null;

    /// <summary>What the ledger lost, and what that may cost.</summary>
    public Losses Losses { get; } = new(world);

    /// <summary>The ceiling that an operator set last; null: the configured one is in force.</summary>
    public int? Ceiling { get; set; }

    /// <summary>True time: the ledger's own is that, though its server's clock may fall back.</summary>
    public long LedgerNow => (ActorClock.Start + world.Now).ToUnixTimeMilliseconds();

    // By how much the ledger may be behind it: what passed between its last sign of life and each fall.
    private long LedgerLagMs => (long)world.Ledger.Lag.TotalMilliseconds;

    public void Watch()
    {
        world.Ledger.Decided = Decided;
        world.Ledger.Failed = failure => Break("fault", failure.Message);
        world.Database.Dropping = Dropping;
        Changed();
    }

    public void Break(string law, string what)
    {
        if (Belongings is not null && law != "L14") return;
        if (Broken is not null || Past.Any(known => what.Contains(known, StringComparison.Ordinal))) return;
        Broken = new(law, what, world.Now);
        world.Trace.Say($"BROKEN {law}: {what}");
    }

    /// <summary>The database is not what it was.</summary>
    public void Changed()
    {
        var settings = world.Plan.Scene.Database.Budget;
        var share = Math.Max(0, world.Database.Limit - world.Database.Reserved) * settings.CeilingPercent / 100;
        var capacity = Math.Max(0, Math.Min(share - world.Database.Foreign, Ceiling ?? settings.Ceiling ?? int.MaxValue));
        if (capacities.Count > 0 && capacities[^1].Capacity == capacity) return;
        if (capacities.Count > 0 && capacity < capacities[^1].Capacity) shortSince = world.Now;
        capacities.Add((world.Now, capacity));
    }

    /// <summary>The ledger loses something it knew. What it had promised with that binds it still: see <see cref="Losses"/>.</summary>
    public void Lose(Action lose)
    {
        var before = View;
        lose();
        if (Belongings is not null) return;
        View = LedgerView.Read(world.Ledger.Keys, names);
        Losses.Add(before, View);
        // Nobody can tell what was promised, so nobody can be sure that it fits.
        if (world.Pods.Any(Losses.MayForget)) shortSince = world.Now;
    }

    /// <summary>A pod was told that it has a lease and connections.</summary>
    public void Told(Pod pod, TimeSpan asked)
    {
        Belongings?.Given(pod);
        Losses.Came(pod.HolderId);
        promises.Told(pod, asked, shortSince is null ? MostIn(LongestCount) : null);
    }

    /// <summary>A pod that leaves was told that it is gone, or was so already.</summary>
    public void Released(Pod pod, TimeSpan asked, Replica by)
    {
        // What was done before a loss and answered after it is for the replica to tell, as any release before a loss.
        if (!Losses.Released(pod.HolderId, asked, by) && View.Holders.ContainsKey(pod.HolderId)) Break("L10", $"{pod.Name} has released what it had, and still holds it");
    }

    /// <summary>A replica answers a caller.</summary>
    public void Answered(Replica replica, string trace, Outcome outcome)
    {
        if (outcome.Refusal?.Code != RefusalCode.AuditUnavailable
            && (!replica.Audit.ByTrace.TryGetValue(trace, out var audited) || audited != outcome.Refusal?.Code))
            Break("L7", $"{replica.Actor.Name} answered {trace} with {outcome.Refusal?.Code.ToString() ?? "a grant"}, and the audit does not say so");
        if (outcome.Grant is { } grant && world.Database.Users.TryGetValue(grant.Credentials.Login.Username, out var user) && !user.HasBeenTried)
            Break("L3", $"{user.Name} was given before its login was tried");
    }

    /// <summary>A call is not answered in time.</summary>
    public void Late(Replica replica, TimeSpan asked, string what)
    {
        if (replica.LastLame is null || replica.LastLame < asked) Break("L10", what);
    }

    /// <summary>A pod that kept to its grant was refused a connection.</summary>
    public void ConnectionRefused(Pod pod, Grant grant, DatabaseFailure failure)
    {
        var user = grant.Credentials.Login.Username;
        if (world.Database.IsDown || Losses.MayForget(pod)) return;
        if (failure == DatabaseFailure.OutOfConnections && world.Database.IsCapped(user))
            Break("L2", $"{pod.Name}, granted {grant.Connections}, was refused a connection: the database lets {user} open no more than it has");
        if (failure == DatabaseFailure.OutOfConnections && shortSince is null)
            Break("L2", $"{pod.Name}, granted {grant.Connections}, was refused a connection: {world.Database.OpenByPods} by pods + {world.Database.Foreign} foreign of {world.Database.Limit} − {world.Database.Reserved}; granted {View.Granted} of {View.Capacity}");
        if (failure == DatabaseFailure.LoginRefused && !world.Database.RefusesLogins && !IsExcused(grant.Lease.Id, user) && !Losses.MayLeadBackTo(user))
            Break("L4", $"{pod.Name}'s user {user} cannot log in, though it was promised until {pod.End.TotalSeconds:0.000}");
    }

    /// <summary>Whether nothing is left to be done: called when all faults are over and all pods are gone.</summary>
    public string? WhatIsLeft()
    {
        if (world.Pods.FirstOrDefault(pod => !pod.IsGone) is { } pod) return $"{pod.Name} is not gone";
        if (View.Holders.Count > 0) return $"{View.Holders.Count} holders are in the ledger";
        if (View.InLine > 0) return $"{View.InLine} are in line";
        var kept = View.Leases.Values.Where(lease => IsKeptReady(lease) || lease.State == "RevokeFailed").ToArray(); // the latter are shown, and tried on
        if (View.Leases.Values.Except(kept).FirstOrDefault(lease => lease.State is not ("Revoked" or "Failed")) is { } lease) return $"lease {lease.Id} is {lease.State}: {lease.Reason}";
        var known = kept.Select(lease => lease.User).Concat(View.Leftovers).ToHashSet(StringComparer.Ordinal);
        if (world.Database.Users.Keys.FirstOrDefault(user => !known.Contains(user)) is { } user) return $"user {user} is in the database, and neither a lease nor a leftover";
        return View.Granted == 0 ? null : $"{View.Granted} connections are granted";
    }

    /// <summary>Whether the database has room for so many connections.</summary>
    public bool HasRoomFor(int connections) => capacities[^1].Capacity >= connections;

    private bool IsKeptReady(LeaseView lease) =>
        lease.State is "Active" or "Issuing" && world.Plan.Scene.Roles.Any(role => role.Name == lease.Role && role.KeepReady);

    private void Decided(Decision decision, string database, IReadOnlyList<string> arguments, string[] answer)
    {
        if (database != PlanMaker.DatabaseName || Belongings is not null) return;
        Say(decision, arguments, answer);
        // What is only about duties and flights changes nothing that a law is about, unless holders were ended by the way.
        if (decision == Decision.TakeFlight) issues.Decided(decision, arguments, answer, View, View);
        if (decision == Decision.Done || decision == Decision.TakeFlight || decision == Decision.Land || (decision == Decision.Due && answer[Marked].Length == 0))
        {
            ChangedNothing(decision);
            return;
        }

        var before = View;
        View = LedgerView.Read(world.Ledger.Keys, names);
        books.Check(View);
        duties.Check(View);
        if (decision == Decision.Sample) sampledAt = world.Now;
        foreach (var (id, holder) in View.Holders)
        {
            before.Holders.TryGetValue(id, out var had);
            // What a replica remembers of a ledger's losses is put back, not granted anew.
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
        var now = LedgerView.Read(world.Ledger.Keys, names);
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
        if (View.Capacity is not { } capacity) Break("L2", $"{holder.Id} got {holder.Connections} connections before any were counted");
        else if (View.Granted > capacity) Break("L2", $"{holder.Id} got {holder.Connections} connections: {View.Granted} of {capacity} are granted");
        else if (world.Now - sampledAt > world.Plan.Scene.Database.Budget.StaleAfter + TimeSpan.FromMilliseconds(1) + world.Ledger.Lag) Break("L2", $"{holder.Id} got connections on a stale count");
    }

    private void Given(HolderView holder)
    {
        if (!View.Leases.TryGetValue(holder.Lease, out var lease))
        {
            Break("L3", $"{holder.Id} holds lease {holder.Lease}, which is not there");
            return;
        }

        if (lease.State != "Active") Break("L3", $"{holder.Id} was given lease {lease.Id}, which is {lease.State}");
        if (lease.Expires - LedgerNow + LedgerLagMs < lease.Life / 2) Break("L3", $"{holder.Id} was given lease {lease.Id} with {lease.Expires - LedgerNow} of {lease.Life} ms left");
        if (!world.Database.Users.TryGetValue(lease.User, out var user))
        {
            if (!IsExcused(lease.Id, lease.User) && !Losses.MayLeadBackTo(lease.User)) Break("L3", $"{holder.Id} was given user {lease.User}, which is not in the database");
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
        if (lease.State == "Revoking" && was?.State is "Active" or "Retiring" && lease.Holders > 0 && lease.Expires > LedgerNow && !Ordered.Contains(lease.Id))
            Break("L4", $"lease {lease.Id} is being revoked with {lease.Holders} holders, before its end");
        if (decision == Decision.Restore) return;
        if (lease.State == "Expired" && lease.Expires > LedgerNow) Break("L4", $"lease {lease.Id} expired {lease.Expires - LedgerNow} ms before its end");
        if (lease.State == "Revoked" && !world.Issuer.Forgotten.Contains(lease.User) && world.Database.Users.ContainsKey(lease.User)) Break("L5", $"lease {lease.Id} is revoked, its user {lease.User} is in the database");
        if (lease.State == "Failed" && lease.User.Length > 0 && world.Database.Users.ContainsKey(lease.User)) Break("L5", $"lease {lease.Id} has failed, its user {lease.User} is in the database");
    }

    // What the broker believes it may promise was so at some moment not long ago.
    private void Sampled(int capacity)
    {
        var since = world.Now - LongestCount;
        var most = MostIn(LongestCount);

        // All that is open was counted since the database ran short, and what is promised fits again: from now on it has to be kept.
        if (shortSince < since && View.Granted <= capacity && capacity <= capacities[^1].Capacity)
        {
            shortSince = null;
            world.Trace.Say("what is promised fits again");
        }

        if (capacity > most) Break("L2", $"the capacity was counted as {capacity}; it was {most} at most in the last {LongestCount.TotalSeconds} s");
    }

    // The largest capacity that there was in the last so long.
    private int MostIn(TimeSpan time)
    {
        var since = world.Now - time;
        var most = 0;
        for (var i = 0; i < capacities.Count; i++)
        {
            if (i + 1 == capacities.Count || capacities[i + 1].From >= since) most = Math.Max(most, capacities[i].Capacity);
        }

        return most;
    }

    // A user goes: nobody may be counting on it.
    private void Dropping(DatabaseLogin user)
    {
        world.Trace.Say($"user {user.Name} is dropped, with {user.Open} connections");
        Losses.Dropped(user.Name);
        foreach (var pod in world.Pods)
        {
            // As it was told: the issuer's clock is not behind with the ledger's.
            if (pod.Held is not { } grant || grant.Credentials.Login.Username != user.Name || grant.Holder.ExpiresAt - ActorClock.Start <= world.Now) continue;
            if (Losses.MayForget(pod) || IsExcused(grant.Lease.Id, user.Name)) continue;
            Break("L4", $"user {user.Name} is dropped; {pod.Name} was promised it until {pod.End.TotalSeconds:0.000}");
        }
    }

    /// <summary>Whether a user may go though it was promised: an operator's order, or the issuer's own doing.</summary>
    public bool IsExcused(string lease, string user) => Ordered.Contains(lease) || world.Issuer.Forgotten.Contains(user);

    private static string Shown(Decision decision, IReadOnlyList<string> arguments) =>
        decision == Decision.Issued && Decision.Issued.ReadAsked(arguments) is var made ? $"{made.Lease} {made.Fence} {made.Username}" : string.Join(' ', arguments);
}
