using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Broker.Tests.Budgets;

/// <summary>One database and those who share it, on a ledger and a clock that others use too.</summary>
internal sealed class BreathingWorld
{
    private static readonly PaceSettings Fast = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };

    private readonly InProcessLedgerStore store;
    private readonly FakeTimeProvider clock;
    private readonly Random random;
    private readonly string database;
    private SharedLedger ledger;
    private Dictionary<string, Pod> pods = new(StringComparer.Ordinal);
    private int capacity;
    private int coming;

    public BreathingWorld(InProcessLedgerStore store, FakeTimeProvider clock, int seed)
        : this(store, clock, 0, [])
    {
        random = new Random(seed);
        database = $"world{seed}";
        capacity = random.Next(5, 80);
        Parties =
        [
            .. Enumerable.Range(0, random.Next(1, 4)).Select(i => new PartyTerms(
                $"role{i}", random.Next(1, 4), random.Next(3) == 0 ? random.Next(1, capacity / 3 + 2) : 0, random.Next(4) == 0 ? random.Next(1, 4) : 0)),
        ];
        // What cannot be kept is refused at start.
        if (Parties.Sum(party => party.Guaranteed) > capacity) Parties = [.. Parties.Select(party => party with { Guaranteed = 0 })];
    }

    public BreathingWorld(InProcessLedgerStore store, FakeTimeProvider clock, int capacity, IReadOnlyList<PartyTerms> parties)
    {
        (this.store, ledger, this.clock, this.capacity, Parties) = (store, new(store), clock, capacity, parties);
        random = new Random(1);
        database = "world";
    }

    public IReadOnlyList<PartyTerms> Parties { get; }

    public int Held(string party) => pods.Values.Where(pod => pod.Party == party).Sum(pod => pod.Size);

    /// <summary>The database is counted, and a lease is there that anybody may share.</summary>
    public async Task BeginAsync()
    {
        await ledger.Budgets.SampleAsync(database, capacity, 200, 0, capacity, 0, TimeSpan.FromDays(1), default);
        var claim = ClaimOf(new Pod("nobody", "nobody.0", 1, 1, false), ClaimKind.Claim);
        var order = (await AskAsync(claim)).ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, default)).ShouldBeOfType<BeginAnswer.Go>();
        await ledger.Issues.IssuedAsync(database, order.Lease, order.Fence, "ref", "user", "sealed", TimeSpan.FromDays(100), go.Now, true, default);
        await ledger.Issues.ActivateAsync(database, order.Lease, order.Fence, TimeSpan.Zero, 0.5, null, default);
        await ledger.Holders.ReleaseAsync(database, claim.Holder, default);
        await CountAsync();
    }

    /// <summary>They come, renew, confirm or not, and leave, as it falls out; the capacity changes.</summary>
    public async Task LiveAsync()
    {
        await BeginAsync();
        for (var step = random.Next(5, 30); step > 0; step--)
        {
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    var least = random.Next(1, 4);
                    await ComeAsync(Parties[random.Next(Parties.Count)].Name, least, least + random.Next(0, 10), random.Next(4) > 0);
                    break;
                case 3 or 4 when pods.Count > 0:
                    await RenewAsync(pods.Values.ElementAt(random.Next(pods.Count)), confirms: random.Next(3) > 0);
                    break;
                case 5 when pods.Count > 0:
                    await LeaveAsync(pods.Values.ElementAt(random.Next(pods.Count)));
                    break;
                case 6:
                    await StillAsync();
                    break;
                default:
                    // It never falls below what is guaranteed.
                    if (random.Next(3) == 0) capacity = Math.Max(Parties.Sum(party => party.Guaranteed), capacity + random.Next(-5, 6));
                    await CountAsync();
                    break;
            }

            await CheckAsync();
        }
    }

    /// <summary>Nobody comes any more, and who follows sizes confirms what it is asked, until nothing changes.</summary>
    public async Task RestAsync()
    {
        await StillAsync();
        for (var round = 0; round < 200; round++)
        {
            await CountAsync();
            var before = Sizes();
            await ConfirmAllAsync();
            await CheckAsync();
            if (Sizes() == before && round > 0) return;
        }

        Assert($"it never comes to rest: {Sizes()}");
    }

    /// <summary>A pod claims; what it has then, 0: nothing.</summary>
    public async Task<int> ComeAsync(string party, int least, int want, bool follows)
    {
        var pod = new Pod(party, $"{party}.{coming++.ToString("D28", CultureInfo.InvariantCulture)}", least, want, follows);
        var free = (await BudgetAsync()).Free;
        var answer = await AskAsync(ClaimOf(pod, ClaimKind.Claim));
        if (answer is ClaimAnswer.Granted) (await BudgetAsync()).Granted.ShouldBeLessThanOrEqualTo(capacity, $"{database}: {pod.Id} was given more than there is");
        if (answer is ClaimAnswer.Granted granted)
        {
            pod.Take(granted);
            pods[pod.Id] = pod;
            if (follows) await RenewAsync(pod, confirms: true);
            return pod.Size;
        }

        answer.ShouldBeOfType<ClaimAnswer.Exhausted>();
        var terms = Parties.FirstOrDefault(own => own.Name == party);
        if (terms is not null && free >= least) (Held(party) + least).ShouldBeGreaterThan(terms.Guaranteed, $"{database}: {party} is refused what is guaranteed to it");
        return 0;
    }

    /// <summary>All that follow sizes renew, and confirm what they are asked.</summary>
    public async Task ConfirmAllAsync()
    {
        foreach (var pod in pods.Values.Where(pod => pod.Follows).ToArray()) await ConfirmAsync(pod);
    }

    private async Task ConfirmAsync(Pod pod)
    {
        await RenewAsync(pod, confirms: true);
        if (pod.IsAsked) await RenewAsync(pod, confirms: true);
    }

    public Task StillAsync()
    {
        clock.Advance(TimeSpan.FromSeconds(6));
        return CountAsync();
    }

    /// <summary>What everybody has is what the slow solver gives.</summary>
    public void ShouldBeFair()
    {
        var names = pods.Values.Select(pod => pod.Party).Distinct().Order(StringComparer.Ordinal).ToArray();
        var parties = names.Select(name => new Party(
            [.. pods.Values.Where(pod => pod.Party == name).Select(pod => pod.Follows ? new HolderClass(pod.Least, pod.Want, 1) : new HolderClass(pod.Size, pod.Size, 1))],
            TermsOf(name).Weight,
            TermsOf(name).Guaranteed,
            TermsOf(name).Priority)).ToArray();
        var kept = Parties.Sum(party => Math.Max(0, party.Guaranteed - pods.Values.Where(pod => pod.Party == party.Name).Sum(pod => pod.Follows ? pod.Want : pod.Size)));
        var shares = FairSolver.Shares(capacity - kept, parties);
        var had = names.Select(Held).ToArray();
        if (had.Sum() > capacity)
        {
            // Less may be promised than is held by those that cannot go down: nobody has more than the least it needs, or is guaranteed.
            for (var i = 0; i < names.Length; i++) had[i].ShouldBeLessThanOrEqualTo(parties[i].Floor, $"{database}: {names[i]}: {Sizes()}");
            return;
        }

        had.Sum().ShouldBe(shares.Sum(), $"{database}: {Sizes()}");
        for (var i = 0; i < names.Length; i++)
        {
            Math.Abs(had[i] - shares[i]).ShouldBeLessThanOrEqualTo(1, $"{database}: {names[i]} has {had[i]} and not {shares[i]}: {Sizes()}");
            pods.Values.Where(pod => pod.Party == names[i]).Select(pod => pod.Size).Order().ToArray().ShouldBe(FairSolver.Sizes(had[i], parties[i]), $"{database}: {Sizes()}");
        }
    }

    /// <summary>Who holds what, as a forecast is told it, each ending a second after the other.</summary>
    public async Task<IReadOnlyList<(string Id, ForecastHolder Holder)>> HoldersAsync() =>
    [
        .. (await ledger.Holders.HoldersAsync(database, null, int.MaxValue, default)).OrderBy(holder => holder.Id, StringComparer.Ordinal).Select((holder, i) => (
            holder.Id,
            new ForecastHolder(holder.Role, holder.Connections, TimeSpan.FromSeconds(i + 1)) { Party = holder.Party, DownTo = holder.DownTo, Least = holder.Least })),
    ];

    public async Task<int> CapacityAsync() => (await BudgetAsync()).Capacity;

    /// <summary>
    /// So many pods of a role come, each with so many connections, after the role's own old ones and these have left; how many are served: at once, or, when they wait
    /// in line, until nothing changes any more. Afterwards all is as it was.
    /// </summary>
    public async Task<int> RollOutAsync(string role, int all, int connections, bool waits, params IEnumerable<string> leaving)
    {
        var before = (store.Copy(), ledger, Pods: pods);
        // Who did not go down in time is taken as one that does not follow, until it says so again.
        var follow = (await HoldersAsync()).Where(one => one.Holder.Least < one.Holder.Connections).Select(one => one.Id).ToHashSet(StringComparer.Ordinal);
        ledger = new(store); // what it hears is forgotten with it
        pods = pods.Values.Select(pod => pod.Copy()).ToDictionary(pod => pod.Id, StringComparer.Ordinal);
        foreach (var id in pods.Values.Where(pod => pod.Party == role).Select(pod => pod.Id).Union(leaving).ToArray())
        {
            pods.Remove(id);
            await ledger.Holders.ReleaseAsync(database, id, default);
        }

        var claims = Enumerable.Range(0, all).Select(i => ClaimOf(new(role, $"{role}.new{i}", connections, connections, false), ClaimKind.Claim)).ToList();
        if (waits) claims = [.. claims.Select(claim => claim with { LineWait = TimeSpan.FromMinutes(1) })];
        var sizes = "";
        do
        {
            foreach (var claim in claims.ToArray())
            {
                if (await AskAsync(claim) is ClaimAnswer.Granted) claims.Remove(claim);
            }

            if (sizes == Sizes() + claims.Count) break;
            sizes = Sizes() + claims.Count;
            foreach (var pod in waits ? pods.Values.Where(pod => follow.Contains(pod.Id)).ToArray() : []) await ConfirmAsync(pod);
        }
        while (claims.Count > 0 && waits);

        store.PutBack(before.Item1);
        (ledger, pods) = (before.ledger, before.Pods);
        return all - claims.Count;
    }

    private PartyTerms TermsOf(string party) => Parties.FirstOrDefault(terms => terms.Name == party) ?? new(party, 1, 0, 0);

    private async Task CheckAsync()
    {
        var budget = await BudgetAsync();
        pods.Values.Sum(pod => pod.Open).ShouldBeLessThanOrEqualTo(budget.Granted, $"{database}: more is open than counts");
        foreach (var pod in pods.Values) pod.Size.ShouldBeInRange(pod.Least, pod.Want);
    }

    private async Task RenewAsync(Pod pod, bool confirms)
    {
        var before = (await BudgetAsync()).Granted;
        var claim = ClaimOf(pod, ClaimKind.Renew) with { Want = 1000, Allotment = pod.Follows ? pod.Says(confirms) : null };
        pod.Take((await AskAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>());
        var after = (await BudgetAsync()).Granted;
        if (after > before) after.ShouldBeLessThanOrEqualTo(capacity, $"{database}: {pod.Id} was given more than there is");
    }

    private async Task LeaveAsync(Pod pod)
    {
        pods.Remove(pod.Id);
        await ledger.Holders.ReleaseAsync(database, pod.Id, default);
    }

    private Task CountAsync() => ledger.Budgets.SampleAsync(
        database, capacity, 200, 0, capacity, 0, TimeSpan.FromDays(1), default, terms: new([.. Parties.Where(party => party is not { Weight: 1, Guaranteed: 0, Priority: 0 })], [])).AsTask();

    private ValueTask<BudgetRecord> BudgetAsync() => ledger.Budgets.BudgetAsync(database, [], default);

    private async Task<ClaimAnswer> AskAsync(Claim claim) => (await ledger.Claims.ClaimAsync(database, Fast, 100, [claim], default))[0];

    private static Claim ClaimOf(Pod pod, ClaimKind kind) => new(
        pod.Id, new(pod.Party, 0, TimeSpan.FromDays(10), 100_000, TimeSpan.FromDays(1)), "pool", pod.Want, pod.Least, TimeSpan.FromSeconds(1), TimeSpan.Zero, kind, "c");

    private string Sizes() => $"{capacity}: " + string.Join(' ', pods.Values.Select(pod => $"{pod.Party} {pod.Least}-{pod.Want}{(pod.Follows ? "" : "!")}={pod.Size}"));

    private static void Assert(string what) => throw new InvalidOperationException(what);

    private sealed class Pod(string party, string id, int least, int want, bool follows)
    {
        private long livesBy;
        private long told;

        public string Party => party;

        public string Id => id;

        public int Least => least;

        public int Want => want;

        public bool Follows => follows;

        /// <summary>What it was told last.</summary>
        public int Size { get; private set; }

        /// <summary>What it may have open: more than its size while it has not confirmed that.</summary>
        public int Open { get; private set; }

        public bool IsAsked { get; private set; }

        public Pod Copy() => (Pod)MemberwiseClone();

        public void Take(ClaimAnswer.Granted granted)
        {
            (Size, IsAsked) = (granted.Size, granted.DownTo is not null);
            Open = granted.Connections;
            told = granted.Allotment ?? 0;
            if (!IsAsked) livesBy = told;
        }

        public long Says(bool confirms)
        {
            if (confirms && IsAsked) (livesBy, Open) = (told, Size);
            return livesBy;
        }
    }
}
