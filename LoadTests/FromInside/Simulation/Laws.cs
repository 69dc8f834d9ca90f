using System.Globalization;
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
    /// <summary>How much longer a call may take than its caller waits: its last round trips with a ledger that answers none of them.</summary>
    public static readonly TimeSpan LongestOver = TimeSpan.FromSeconds(25);

    /// <summary>A count shows what was so at most this long ago.</summary>
    public static readonly TimeSpan LongestCount = TimeSpan.FromSeconds(12);

    private readonly DatabaseLaws[] databases = [.. world.Plan.Scene.Databases.Select(database => new DatabaseLaws(world, database))];
    private readonly string serverKey = LedgerKeys.Of(World.AddressOf(world.Plan.Scene.Database))[Array.IndexOf(LedgerKeys.Parts, "server")];
    private readonly Capacities server = new(world); // of all databases together
    private readonly Promises promises = new(world);
    private LedgerView? view;
    private TimeSpan? shortSince; // when the server became possibly too small for what was promised; null: it is not

    /// <summary>The first law that was broken; null: none.</summary>
    public Broken? Broken { get; private set; }

    /// <summary>What is broken and known: the run goes on past whatever contains one of these texts.</summary>
    public IReadOnlyList<string> Past { get; set; } = [];

    /// <summary>The ledger after the last decision, of all databases.</summary>
    public LedgerView View => view ??= LedgerView.Of(Array.ConvertAll(databases, static database => database.View));

    /// <summary>Leases that an operator ordered to be revoked.</summary>
    public HashSet<string> Ordered { get; } = new(StringComparer.Ordinal);

    /// <summary>What a hostile writer must not get; null: there is no such writer.</summary>
    public Belongings? Belongings { get; } = world.Plan.IsHostile ? new(world) : null;

    /// <summary>What the ledger lost, and what that may cost.</summary>
    public Losses Losses { get; } = new(world);

    // What the ledger believes may be promised on the whole server; null: it was never counted.
    private int? ServerCapacity => world.Ledger.Keys.HashAt(serverKey).GetValueOrDefault("capacity") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>True time: the ledger's own is that, though its server's clock may fall back.</summary>
    public long LedgerNow => (ActorClock.Start + world.Now).ToUnixTimeMilliseconds();

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

    /// <summary>The server is not what it was.</summary>
    public void Changed()
    {
        var budgets = world.Plan.Scene.Databases.Select(database => database.Budget).ToArray();
        var percent = budgets.Min(budget => budget.ServerCeilingPercent) ?? budgets.Max(budget => budget.CeilingPercent);
        var fewer = server.Shrinks(Math.Max(0, Math.Max(0, world.Database.Limit - world.Database.Reserved) * percent / 100 - world.Database.Foreign));
        foreach (var database in databases) fewer |= database.Shrinks();
        // Of one database alone, what can be promised on it is all there is to look at.
        if (fewer) shortSince = world.Now;
    }

    /// <summary>An operator has set a ceiling.</summary>
    public void CeilingIs(string database, int ceiling)
    {
        databases.Single(one => one.Database.Name == database).Ceiling = ceiling;
        Changed();
    }

    /// <summary>A part of the ledger was read again.</summary>
    public void Read() => view = null;

    /// <summary>A holder got connections: on the whole server no more are granted than may be promised on it.</summary>
    public void Reserved(HolderView holder)
    {
        if (databases.Length > 1 && View.Granted > (ServerCapacity ?? 0)) Break("L2", $"{holder.Id} got {holder.Connections} connections: {View.Granted} of the server's {ServerCapacity} are granted");
    }

    /// <summary>A database was counted. What is promised has to be kept again once all that is open was counted since the server ran short, and it fits.</summary>
    public void Counted()
    {
        if (shortSince is not { } since || !Array.TrueForAll(databases, database => database.FitsSince(since))) return;
        if (databases.Length > 1 && !(View.Granted <= ServerCapacity && ServerCapacity <= server.Last)) return;
        shortSince = null;
        world.Trace.Say("what is promised fits again");
    }

    /// <summary>The ledger loses something it knew. What it had promised with that binds it still: see <see cref="Losses"/>.</summary>
    public void Lose(Action lose)
    {
        var before = View;
        lose();
        if (Belongings is not null) return;
        foreach (var database in databases) database.Read();
        Losses.Add(before, View);
        Forget();
    }

    // Nobody can tell what was promised, so nobody can be sure that it fits. The last replica that could tell may go silent some seconds after the loss.
    private void Forget()
    {
        if (Losses.MayForgetAnother()) shortSince = world.Now;
    }

    /// <summary>A pod was told that it has a lease and connections.</summary>
    public void Told(Pod pod, TimeSpan asked)
    {
        Belongings?.Given(pod);
        Losses.Came(pod.HolderId);
        promises.Told(pod, asked);
        Forget();
        if (shortSince is not null) return;
        foreach (var database in databases) promises.Fit(pod, database.Capacities.MostIn(LongestCount), database.Database.Name);
        if (databases.Length > 1) promises.Fit(pod, server.MostIn(LongestCount), null);
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
        Forget();
        // A cap leaves room for what the ledger knows of: who was forgotten opens what is its fellows', and may have it open after it was told so.
        if (failure == DatabaseFailure.OutOfConnections && world.Database.IsCapped(user) && !world.Pods.Any(other => other.UsesAs(user) && Losses.MayForget(other)))
            Break("L2", $"{pod.Name}, granted {grant.Connections}, was refused a connection: the database lets {user} open no more than it has");
        if (failure == DatabaseFailure.OutOfConnections && shortSince is null)
            Break("L2", $"{pod.Name}, granted {grant.Connections}, was refused a connection: {world.Database.OpenByPods} by pods + {world.Database.Foreign} foreign of {world.Database.Limit} − {world.Database.Reserved}; granted {View.Granted} of {databases[0].View.Capacity}");
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

    /// <summary>Whether the databases, and their server, have room for this many connections of roles.</summary>
    public bool HasRoomFor(Func<IReadOnlyList<Role>, int> connections) =>
        server.Last >= connections(world.Plan.Scene.Roles)
        && Array.TrueForAll(databases, database => database.Capacities.Last >= connections([.. world.Plan.Scene.Roles.Where(role => role.Database == database.Database.Name)]));

    private bool IsKeptReady(LeaseView lease) =>
        lease.State is "Active" or "Issuing" && world.Plan.Scene.Roles.Any(role => role.Name == lease.Role && role.KeepReady);

    private void Decided(Decision decision, string address, IReadOnlyList<string> arguments, string[] answer)
    {
        if (Belongings is null) Array.Find(databases, database => database.Address == address)?.Decided(decision, arguments, answer);
    }

    // A user goes: no holder may depend on it.
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
}
