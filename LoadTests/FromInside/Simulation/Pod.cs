using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// A pod as it should be: it claims, opens no more connections than it was granted, renews, moves when it is told to, closes
/// everything when its time is over, and leaves, with or without a word.
/// </summary>
internal sealed class Pod
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly World world;
    private readonly PodStep plan;
    private readonly Random random;
    private readonly Caller caller;
    private readonly List<(DatabaseLogin Login, int Ended)> open = [];
    private readonly string? name; // what its connections carry
    private TimeSpan leaveAt;
    private TimeSpan end;
    private TimeSpan? renewAt;
    private TimeSpan bothUntil;
    private int beside;
    private readonly Sizes? sizes; // null: it does not follow them
    private Watching? watch;
    private Replica? heard; // the replica that answered last

    public Pod(World world, PodStep plan)
    {
        (this.world, this.plan) = (world, plan);
        random = PlanMaker.Stream(world.Plan.Seed, 1000 + plan.Number);
        Name = $"pod{plan.Number}";
        caller = World.CallerOf(plan.Account, Name);
        HolderId = Broker.Core.Identity.HolderId.For(plan.Role, caller, null).Value;
        name = world.Plan.Scene.NamesConnections ? Broker.Core.Identity.HolderName.KeyOf(HolderId).ToString() : null;
        leaveAt = plan.At + plan.Stays;
        if (plan.Follows is { } follows) sizes = new(follows, world);
    }

    public string Name { get; }

    public string HolderId { get; }

    public PodStep Plan => plan;

    public bool IsGone { get; private set; }

    public bool AsksTwice => plan.AsksTwice;

    /// <summary>When it lost what it held, through no doing of its own; null: never.</summary>
    public TimeSpan? LostAt { get; private set; }

    /// <summary>What it was granted last, while that lasts.</summary>
    public Grant? Held { get; private set; }

    /// <summary>Whether it has connections open, of what it holds or held.</summary>
    public bool HasOpen => open.Count > 0;

    /// <summary>Whether it holds a login of this user, or has connections open as it.</summary>
    public bool UsesAs(string user) => Held?.Credentials.Login.Username == user || open.Exists(session => session.Login.Name == user);

    /// <summary>Which replica told it what it was promised last.</summary>
    public Replica? PromisedBy { get; private set; }

    /// <summary>When it was told.</summary>
    public TimeSpan PromisedAt { get; private set; }

    /// <summary>When it had asked for that.</summary>
    public TimeSpan AskedForAt { get; private set; }

    /// <summary>Connections that it may have open now.</summary>
    public int Promised => Held is null || world.Now >= end ? 0 : Most(Held) + (world.Now < bothUntil ? beside : 0);

    /// <summary>When what it holds ends.</summary>
    public TimeSpan End => end;

    public void Begin() => world.At(world.Now, () => _ = LiveAsync());

    /// <summary>It leaves as soon as it can.</summary>
    public void LeaveSoon()
    {
        if (leaveAt > world.Now + Tick) leaveAt = world.Now + Tick;
    }

    private async Task LiveAsync()
    {
        try
        {
            while (world.Now < leaveAt)
            {
                if (Held is null) await ClaimAsync();
                else if (watch is not null && watch.TryHear(out var told)) Hear(told.Grant, told.Asked, told.By);
                else if (world.Now >= renewAt) await RenewAsync();
                else await WorkAsync();
            }

            await LeaveAsync();
        }
        catch (Exception e)
        {
            world.Laws.Break("fault", $"{Name} broke: {e}");
        }

        IsGone = true;
    }

    private async Task ClaimAsync()
    {
        // Nothing of what it had before may be taken for an answer to this.
        watch?.Stop();
        watch = null;
        sizes?.BeginAgain();
        var asked = world.Now;
        var outcome = await AskAsync("claims", (replica, trace, cancellation) => replica.ClaimAsync(
            new(caller, plan.Role, null, plan.Connections, plan.MinConnections, plan.Wait, new(trace, null)), cancellation), PatienceOf(plan.Wait), plan.LeavesAfter);
        if (outcome?.Grant is { } grant)
            Take(grant, asked);
        else
            await SleepAsync(outcome?.Refusal?.RetryAfter ?? Tick);
    }

    private async Task RenewAsync()
    {
        var had = Held!;
        var asked = world.Now;
        var outcome = plan.ClaimsAgain
            ? await AskAsync("claims again", (replica, trace, cancellation) => replica.ClaimAsync(
                new(caller, plan.Role, null, plan.Connections, plan.MinConnections, plan.Wait, new(trace, null)), cancellation), PatienceOf(plan.Wait), null)
            : await AskAsync("renews", (replica, trace, cancellation) => replica.RenewAsync(
                caller, had.Holder.Id, sizes is null ? null : had.Lease.Id, sizes?.Says, trace, cancellation), PatienceOf(null), null);
        if (outcome?.Grant is { } grant)
        {
            if (plan.ClaimsAgain && sizes is null && Held == had && !world.Laws.Losses.MayForget(this) && grant.Connections != had.Connections)
                world.Laws.Break("L11", $"{Name} asked again and has {grant.Connections} connections instead of {had.Connections}");
            Take(grant, asked);
        }
        else if (outcome?.Refusal?.Code == RefusalCode.HolderUnknown)
        {
            // What it has open stays open until it has something new; but it is promised nothing any more.
            Held = null;
        }
        else
        {
            renewAt = world.Now + Tick;
        }
    }

    // What the line says while it renews by itself comes in any order with the answers to that.
    private void Hear(Grant grant, TimeSpan asked, Replica by)
    {
        if (sizes!.IsOld(grant) || (grant.Overlap is null && grant.Lease.Id != Held!.Lease.Id)) return;
        heard = by;
        world.Trace.Say($"{Name} hears of {by.Actor.Name}: {Text(grant)}");
        Take(grant, asked);
    }

    private int Most(Grant held) => sizes?.Most(held) ?? held.Connections;

    private void Take(Grant grant, TimeSpan asked)
    {
        // A replica's memory tells again of a move, also those who have made it.
        var another = grant.Lease.Id != Held?.Lease.Id;
        var moves = grant.Overlap > TimeSpan.Zero && another;
        // Without an overlap all that is old closes first, also what an earlier move still allowed.
        if (another && grant.Overlap == TimeSpan.Zero) bothUntil = world.Now;
        beside = moves ? Held is null ? 0 : Most(Held) : world.Now < bothUntil ? beside : 0;
        (Held, PromisedBy, PromisedAt, AskedForAt) = (grant, heard, world.Now, asked);
        sizes?.Take(grant);
        // Where the ledger's time stays behind, because no replica knew how far it had come, its clock does not tell a pod's end.
        end = grant.Holder.ExpiresAt - ActorClock.Start + world.Ledger.LagOf(world.AddressOf(plan.Role));
        renewAt = world.Now + TimeSpan.FromSeconds(grant.Holder.RenewAfterSeconds) + plan.RenewsLate;
        world.At(end, () =>
        {
            if (world.Now >= end && !IsGone) Lose("its end came");
        });
        // Both its logins' connections may be open for a while: it takes its time, but not all of it.
        if (moves) bothUntil = world.Now + 0.8 * grant.Overlap!.Value;
        while (world.Now >= bothUntil && open.Count > Most(grant)) Close(open[0]);
        world.Laws.Told(this, asked);
    }

    // Opens what it was granted and has not opened yet, and replaces what it has open as another user, one by one.
    private async Task WorkAsync()
    {
        var most = plan.FillsAtOnce ? int.MaxValue : 1;
        open.RemoveAll(session => session.Login.Ended != session.Ended);
        var user = Held!.Credentials.Login.Username;
        var both = world.Now < bothUntil;
        if (!both || random.Next(3) == 0)
        {
            if (open.FirstOrDefault(session => session.Login.Name != user) is { Login: not null } old) Close(old);
        }

        int Counting() => both ? open.Count(session => session.Login.Name == user) : open.Count;
        for (var i = 0; i < most && world.Now < end && Counting() < Most(Held); i++)
        {
            if (!Open(Held)) break;
        }

        if (sizes is { IsDue: true })
        {
            // What it closes first, and what it says then.
            while (Counting() > Held.Connections) Close(open.First(session => !both || session.Login.Name == user));
            sizes.Keep();
            renewAt = world.Now;
            return;
        }

        if (plan.Follows is { Watches: true } && watch is not { IsOver: false } && world.AnyReplica(random) is { } watched)
        {
            watch = watched.Watch(caller, Held.Holder.Id, Held.Lease.Id, sizes!.Says, world.NextTrace(), random);
        }

        var next = world.Now + Tick * (0.2 + random.NextDouble());
        foreach (var due in new[] { end, renewAt!.Value, leaveAt })
            if (due < next) next = due;
        await SleepAsync(next - world.Now);
    }

    private bool Open(Grant grant)
    {
        var login = grant.Credentials.Login;
        var failure = world.Database.Connect(login.Username, login.Password.Reveal(), name);
        if (failure is null)
        {
            var user = world.Database.Users[login.Username];
            open.Add((user, user.Ended));
            return true;
        }

        world.Trace.Say($"{Name} is refused a connection: {failure}");
        world.Laws.ConnectionRefused(this, grant, failure.Value);
        return false;
    }

    private void Lose(string why)
    {
        if (Held is not null)
        {
            LostAt = world.Now;
            world.Trace.Say($"{Name} holds nothing any more: {why}");
        }

        Held = null;
        while (open.Count > 0) Close(open[^1]);
    }

    private async Task LeaveAsync()
    {
        while (open.Count > 0) Close(open[^1]);
        var held = Held;
        Held = null;
        watch?.Stop();
        world.Trace.Say($"{Name} leaves{(plan.Vanishes ? " without a word" : "")}");
        if (held is null || plan.Vanishes) return;
        var asked = world.Now;
        var released = await AskAsync("releases", (replica, trace, cancellation) => replica.ReleaseAsync(caller, held.Holder.Id, trace, cancellation), PatienceOf(null), null);
        if (released is { Refusal: null or { Code: RefusalCode.HolderUnknown } }) world.Laws.Released(this, asked, heard!);
    }

    private void Close((DatabaseLogin Login, int Ended) session)
    {
        open.Remove(session);
        if (session.Login.Ended == session.Ended) session.Login.Close(name);
    }

    private TimeSpan PatienceOf(TimeSpan? wait)
    {
        var longest = wait ?? world.Plan.Scene.Waiting.Default;
        return (longest < world.Plan.Scene.Waiting.MaxWait ? longest : world.Plan.Scene.Waiting.MaxWait) + Laws.LongestOver;
    }

    // The answer; null when there was none.
    private async Task<Outcome?> AskAsync(string what, Func<Replica, string, CancellationToken, Task<Outcome>> call, TimeSpan patience, TimeSpan? leavesAfter)
    {
        var second = plan.AsksTwice ? AskOnceAsync(what, call, patience, null) : null;
        var (first, by) = await AskOnceAsync(what, call, patience, leavesAfter);
        heard = by;
        if (second is null) return first;
        var (other, byOther) = await second;
        var takesOther = first?.Grant is not { } one || (other?.Grant is { } later && IsLater(later, one));
        heard = takesOther ? byOther : by;
        return takesOther ? other : first;
    }

    private static bool IsLater(Grant other, Grant one) =>
        other.Allotment == one.Allotment ? other.Holder.ExpiresAt > one.Holder.ExpiresAt : other.Allotment > one.Allotment;

    private async Task<(Outcome? Answer, Replica? By)> AskOnceAsync(string what, Func<Replica, string, CancellationToken, Task<Outcome>> call, TimeSpan patience, TimeSpan? leavesAfter)
    {
        await SleepAsync(TimeSpan.FromMicroseconds(random.Next(100, 3_000)));
        if (world.AnyReplica(random) is not { } replica)
        {
            await SleepAsync(Tick);
            return default;
        }

        var trace = world.NextTrace();
        var asked = world.Now;
        world.Trace.Say($"{Name} {what} at {replica.Actor.Name} ({trace})");
        using var leaving = new CancellationTokenSource();
        var isOver = false;
        var leave = world.At(asked + (leavesAfter ?? patience), () => replica.Actor.Post(() =>
        {
            if (!isOver) leaving.Cancel();
        }));
        var late = world.At(asked + patience, () => world.Laws.Late(replica, asked, $"{Name} {what} ({trace}) has no answer after {patience.TotalSeconds:0.0} s"));
        try
        {
            var outcome = await call(replica, trace, leaving.Token);
            world.Trace.Say($"{Name} {what} ({trace}): {Text(outcome)}");
            return (outcome, replica);
        }
        catch (Exception e) when (e is ReplicaGoneException or OperationCanceledException)
        {
            world.Trace.Say($"{Name} {what} ({trace}): {e.GetType().Name}");
            return default;
        }
        finally
        {
            isOver = true;
            leave.TurnOff();
            late.TurnOff();
        }
    }

    // Task.Delay knows whole milliseconds only.
    private Task SleepAsync(TimeSpan time)
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.At(world.Now + time, over.SetResult);
        return over.Task;
    }

    private static string Text(Outcome outcome) => outcome switch
    {
        { Grant: { } grant } => $"{(grant.Overlap is { } overlap ? $"moves within {overlap.TotalSeconds:0.0} s to" : "has")} {grant.Lease.Id} as {grant.Credentials.Login.Username} with {grant.Connections}{(grant.Allotment is { } size ? $" of {grant.Counted} by {size}" : "")} to {(grant.Holder.ExpiresAt - ActorClock.Start).TotalSeconds:0.000}, lease to {(grant.Lease.ExpiresAt - ActorClock.Start).TotalSeconds:0.000}",
        { Refusal: { } refusal } => $"{refusal.Code}, again in {refusal.RetryAfter?.TotalSeconds:0.0}",
        _ => "done",
    };
}
