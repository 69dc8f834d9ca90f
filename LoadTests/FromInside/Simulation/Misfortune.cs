using Broker.Core.Leases;

namespace LoadTests.FromInside.Simulation;

/// <summary>Lets faults befall the world, and ends them.</summary>
internal sealed class Misfortune(World world)
{
    private readonly Random random = PlanMaker.Stream(world.Plan.Seed, 3);
    private readonly List<Action> mends = [];
    private readonly HostileWriter hostile = new(world, PlanMaker.Stream(world.Plan.Seed, 7));

    public void Befall(FaultStep fault)
    {
        world.Trace.Say($"fault {fault.Number}: {fault}");
        var ledger = world.Ledger;
        var issuer = world.Issuer;
        var database = world.Database;
        switch (fault.Kind)
        {
            case FaultKind.ReplicaCrashes:
                if (Victim(fault) is { } crashing)
                {
                    crashing.Crash();
                    Until(fault, () => world.AddReplica());
                }

                break;
            case FaultKind.ReplicaStops:
                if (Victim(fault) is { } stopping)
                {
                    stopping.Stop();
                    world.AddReplica();
                }

                break;
            case FaultKind.ReplicaFreezes:
                if (Victim(fault) is { } freezing)
                {
                    freezing.LastLame = TimeSpan.MaxValue;
                    freezing.Silent.Begin();
                    freezing.Actor.Freeze();
                    Until(fault, () =>
                    {
                        freezing.LastLame = world.Now;
                        freezing.Silent.End();
                        freezing.Actor.Thaw();
                    });
                }

                break;
            case FaultKind.ReplicaIsSlow:
                if (Victim(fault) is { } slow)
                {
                    slow.LastLame = TimeSpan.MaxValue;
                    slow.Silent.Begin();
                    slow.Actor.SlowBy = TimeSpan.FromSeconds(fault.Amount);
                    Until(fault, () =>
                    {
                        slow.LastLame = world.Now;
                        slow.Silent.End();
                        slow.Actor.SlowBy = TimeSpan.Zero;
                    });
                }

                break;
            case FaultKind.ReplicaIsCutOff:
                if (Victim(fault) is { } cut) Silence(fault, cut);
                break;
            case FaultKind.ClockJumps:
                if (Victim(fault) is { } jumping) jumping.Clock.Off += TimeSpan.FromMinutes(20 * (fault.Amount - 0.5));
                break;
            case FaultKind.AuditBreaks:
                if (Victim(fault) is { } muted) Toggle(fault, value => muted.Audit.IsBroken = value);
                break;
            case FaultKind.LedgerIsDown: Toggle(fault, value => ledger.IsDown = value); break;
            case FaultKind.LedgerStalls: ledger.StalledUntil = world.Now + fault.For / 3; break;
            case FaultKind.LedgerReturnsEmpty: Toggle(fault, value => Return(value, ledger.Flush)); break;
            case FaultKind.LedgerReturnsOld:
                ledger.Copy();
                world.At(world.Now + TimeSpan.FromSeconds(4 * fault.Amount), () => Toggle(fault, value => Return(value, ledger.FailOver)));
                break;
            case FaultKind.LedgerFallsFarBack:
                ledger.Copy();
                world.At(world.Now + fault.For, () => world.Laws.Lose(ledger.FailOver));
                break;
            case FaultKind.LedgerFallsBackAmidIssue:
                ledger.CopiesAmidIssue = true;
                world.At(world.Now + fault.For, () =>
                {
                    if (ledger.CopiesAmidIssue) ledger.CopiesAmidIssue = false;
                    else world.Laws.Lose(ledger.FailOver);
                });
                break;
            case FaultKind.LedgerFallsBackAmidRotation:
                ledger.Copy();
                _ = Order(replica => replica.RotateAsync(World.CallerOf("operator", "operator"), world.Plan.Scene.Roles[fault.Target % world.Plan.Scene.Roles.Count].Name, world.NextTrace()));
                world.At(world.Now + fault.For, () => world.Laws.Lose(ledger.FailOver));
                break;
            case FaultKind.LedgerIsEmptiedBehindAReplica:
                // One is cut off for a moment, and hears of the loss later than the others.
                if (Victim(fault) is { } behind)
                {
                    behind.Link.IsCut = true;
                    world.At(world.Now + TimeSpan.FromMilliseconds(300), () =>
                    {
                        behind.Link.IsCut = false;
                        world.Laws.Lose(ledger.Flush);
                    });
                    if (fault.Amount < 0.5) world.At(world.Now + TimeSpan.FromMilliseconds(350), () => world.AddReplica());
                }

                break;
            case FaultKind.LedgerClockFallsBack:
                ledger.FallBack(TimeSpan.FromSeconds(1 + 600 * fault.Amount * fault.Amount * fault.Amount));
                break;
            case FaultKind.DatabaseIsSlow: Until(fault, () => database.SlowBy = TimeSpan.Zero, () => database.SlowBy = TimeSpan.FromSeconds(8 * fault.Amount)); break;
            case FaultKind.DatabaseLosesAnswers: Until(fault, () => database.LosesAnswers = 0, () => database.LosesAnswers = fault.Amount); break;
            case FaultKind.SomebodyWritesIntoRedis:
                WriteUntil(world.Now + fault.For);
                break;
            case FaultKind.OperatorSetsCeiling:
                var ceiling = (int)(fault.Amount * database.Limit);
                var limited = world.Plan.Scene.Databases[fault.Target % world.Plan.Scene.Databases.Count].Name;
                _ = Order(async replica =>
                {
                    var said = await replica.SetCeilingAsync(World.CallerOf("operator", "operator"), limited, ceiling, world.NextTrace());
                    if (said.Refusal is not null) return said;
                    world.Laws.CeilingIs(limited, ceiling);
                    return said;
                });
                break;
            case FaultKind.LedgerLosesRequests: Unsure(fault, value => ledger.LosesRequests = value ? fault.Amount : 0); break;
            case FaultKind.LedgerLosesAnswers: Unsure(fault, value => ledger.LosesAnswers = value ? fault.Amount : 0); break;
            case FaultKind.LedgerLosesSignals: Toggle(fault, value => ledger.LosesSignals = value); break;
            case FaultKind.LedgerIsFull: Unsure(fault, value => ledger.IsFull = value); break;
            case FaultKind.LedgerIsEmptied: world.Laws.Lose(ledger.Flush); break;
            case FaultKind.LedgerFailsOver:
                ledger.Copy();
                world.At(world.Now + TimeSpan.FromSeconds(2 * fault.Amount), () => world.Laws.Lose(ledger.FailOver));
                break;
            case FaultKind.IssuerIsSealed: Toggle(fault, value => issuer.IsSealed = value); break;
            case FaultKind.IssuerThrottles: Toggle(fault, value => issuer.IsThrottling = value); break;
            case FaultKind.IssuerRefuses: Toggle(fault, value => issuer.IsRefusing = value); break;
            case FaultKind.IssuerIsSlow: Until(fault, () => issuer.SlowBy = TimeSpan.Zero, () => issuer.SlowBy = TimeSpan.FromSeconds(30 * fault.Amount * fault.Amount)); break;
            case FaultKind.IssuerLosesAnswers: Until(fault, () => issuer.LosesAnswers = 0, () => issuer.LosesAnswers = fault.Amount); break;
            case FaultKind.IssuerIsStingy: Toggle(fault, value => issuer.IsStingy = value); break;
            case FaultKind.IssuerForgets:
                if (issuer.LeaseIds.ToArray() is { Length: > 0 } ids) issuer.Forget(ids[fault.Target % ids.Length]);
                break;
            case FaultKind.DatabaseIsDown: Toggle(fault, value => database.IsDown = value); break;
            case FaultKind.DatabaseRefusesLogins: Toggle(fault, value => database.RefusesLogins = value); break;
            case FaultKind.DatabaseRefusesDrops: Toggle(fault, value => database.RefusesDrops = value); break;
            case FaultKind.ForeignersCome:
                var more = (int)(fault.Amount * 20);
                Until(fault, () => database.Foreign -= more, () => database.Foreign += more);
                break;
            case FaultKind.LimitShrinks:
                var fewer = (int)(fault.Amount * database.Limit / 2);
                Until(fault, () => database.Limit += fewer, () => database.Limit -= fewer);
                break;
            case FaultKind.OperatorRotates:
                _ = Order(replica => replica.RotateAsync(World.CallerOf("operator", "operator"), world.Plan.Scene.Roles[fault.Target % world.Plan.Scene.Roles.Count].Name, world.NextTrace()));
                break;
            case FaultKind.OperatorRevokes:
                var leases = world.Laws.View.Leases.Keys.Order(StringComparer.Ordinal).ToArray();
                if (leases.Length == 0) break;
                var lease = leases[fault.Target % leases.Length];
                world.Laws.Ordered.Add(lease);
                _ = Order(replica => replica.RevokeAsync(World.CallerOf("operator", "operator"), lease, world.NextTrace()));
                break;
            default: throw new InvalidOperationException($"No such fault: {fault.Kind}.");
        }

        world.Laws.Changed();
    }

    /// <summary>Ends every fault that still lasts.</summary>
    public void MendAll()
    {
        foreach (var mend in mends.ToArray()) mend();
        world.Ledger.StalledUntil = world.Now;
        if (world.AnyReplica(random) is null) world.AddReplica();
        world.Laws.Changed();
    }

    /// <summary>Stops all replicas but one gracefully: the last one has to bring everything to rest.</summary>
    public void StopAllButOne()
    {
        foreach (var replica in world.Replicas.Where(replica => !replica.Actor.IsDead && !replica.IsStopping).Skip(1)) replica.Stop();
    }

    private void WriteUntil(TimeSpan end)
    {
        if (world.Now > end) return;
        hostile.Write();
        world.At(world.Now + TimeSpan.FromMilliseconds(random.Next(1, 700)), () => WriteUntil(end));
    }

    private Replica? Victim(FaultStep fault)
    {
        var there = world.Replicas.Where(replica => !replica.Actor.IsDead && !replica.Actor.IsFrozen && !replica.IsStopping).ToArray();
        return there.Length == 0 ? null : there[fault.Target % there.Length];
    }

    private async Task Order(Func<Replica, Task<Outcome>> order)
    {
        if (world.AnyReplica(random) is not { } replica) return;
        try
        {
            await order(replica);
        }
        catch (Exception e) when (e is ReplicaGoneException or OperationCanceledException)
        {
            world.Trace.Say("the operator got no answer");
        }
    }

    // The ledger goes away, and comes back with less than it knew.
    private void Return(bool goes, Action lose)
    {
        world.Ledger.IsDown = goes;
        if (!goes) world.Laws.Lose(lose);
    }

    private void Silence(FaultStep fault, Replica replica) => Toggle(fault, value =>
    {
        replica.Link.IsCut = value;
        if (value) replica.Silent.Begin();
        else replica.Silent.End();
    });

    private void Unsure(FaultStep fault, Action<bool> set) => Toggle(fault, value =>
    {
        set(value);
        if (value) world.Ledger.Unsure.Begin();
        else world.Ledger.Unsure.End();
    });

    private void Toggle(FaultStep fault, Action<bool> set) => Until(fault, () => set(false), () => set(true));

    private void Until(FaultStep fault, Action mend, Action? begin = null)
    {
        begin?.Invoke();
        var isOver = false;
        void Mend()
        {
            if (isOver) return;
            isOver = true;
            mends.Remove(Mend);
            world.Trace.Say($"fault {fault.Number} is over");
            mend();
            world.Laws.Changed();
        }

        mends.Add(Mend);
        world.At(world.Now + fault.For, Mend);
    }
}
