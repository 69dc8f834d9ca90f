using Broker.Core.Leases;
using Broker.Core.Leases.Handles;
using Broker.Core.Model;
using Broker.Tests.Leases;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>What clients of Vault do by themselves, over whole lives of leases, in virtual time.</summary>
public sealed class ClientHabitsTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L4_a_hundred_lifetime_watchers_that_begin_together_never_lose_their_login_and_never_read_in_one_second()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 1 } });
        world.Issuer.MostRenewed = TimeSpan.FromHours(1);
        var replica = await world.ReplicaAsync();
        var first = await world.PassAsync(replica.AskAsync(World.Ask(0), Cancellation), Minute);
        first.Grant.ShouldNotBeNull();
        var random = new Random(7);
        var watchers = Enumerable.Range(0, 100).Select(pod => new LifetimeWatcher(world, replica, pod, random.NextDouble())).ToList();
        foreach (var watcher in watchers) await watcher.ReadAsync();
        watchers.Select(watcher => watcher.Username).Distinct().Count().ShouldBe(1);

        // An operator's rotation after half an hour, and the end of all that the issuer gives two hours later.
        for (var minute = 0; minute < 240; minute++)
        {
            if (minute == 30) (await world.PassAsync(replica.Leases.RotateAsync(Identity.Callers.Pod("op", "op"), "orders-api", "for a test", World.From, Cancellation).AsTask(), Minute)).ShouldBeNull();
            if (minute == 150) world.Issuer.Renewable = false;
            var end = world.Clock.GetUtcNow() + Minute;
            while (world.Clock.GetUtcNow() < end)
            {
                world.Clock.Advance(TimeSpan.FromSeconds(1));
                foreach (var watcher in watchers) await watcher.LookAsync();
                await world.IdleAsync();
            }
        }

        watchers.ShouldAllBe(watcher => watcher.Lost == 0);
        watchers.ShouldAllBe(watcher => watcher.Reads.Count >= 2);
        var bySecond = watchers.SelectMany(watcher => watcher.Reads.Skip(1)).GroupBy(read => read.ToUnixTimeSeconds()).ToList();
        bySecond.Max(second => second.Count()).ShouldBeLessThan(12, "reads are spread");
    }

    /// <summary>
    /// The arithmetic of Go's LifetimeWatcher, which Agent, Proxy, consul-template and VSO share (openbao/openbao
    /// api/lifetime_watcher.go@249bf013): renews at once with increment 0; sleeps two thirds of the duration and a third of a grace
    /// of 10 to 20 percent of it; on an error backs off; ends when what is left is within the grace, and its owner reads anew.
    /// </summary>
    private sealed class LifetimeWatcher(World world, World.Replica replica, int pod, double jitter)
    {
        private string lease = "";
        private TimeSpan grace, prior, backoff;
        private DateTimeOffset next, ends;

        public string Username { get; private set; } = "";

        public List<DateTimeOffset> Reads { get; } = [];

        /// <summary>How often it had a login that was over, or had ended by its own reckoning before another was read.</summary>
        public int Lost { get; private set; }

        public async Task ReadAsync()
        {
            var now = world.Clock.GetUtcNow();
            if (Reads.Count > 0 && (now > ends || !world.Issuer.Users.ContainsKey(Username))) Lost++;
            var outcome = await replica.Handles.ReadAsync(World.Ask(pod), "database/creds/orders-api", $"token-{pod}", Cancellation);
            if (outcome.Term is not { } term)
            {
                (next, lease) = (now + TimeSpan.FromSeconds(1), ""); // the owner's own backoff
                return;
            }

            Reads.Add(now);
            (lease, Username, ends) = (term.Handle.Id, outcome.Grant!.Credentials.Login.Username, now + term.EndsIn);
            (grace, prior, backoff) = (TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero);
            await RenewAsync();
        }

        public async Task LookAsync()
        {
            if (world.Clock.GetUtcNow() < next) return;
            if (lease.Length == 0) await ReadAsync();
            else await RenewAsync();
        }

        private async Task RenewAsync()
        {
            var now = world.Clock.GetUtcNow();
            var outcome = await replica.Handles.RenewAsync(World.Ask(pod).Caller, lease, TimeSpan.Zero, World.From, Cancellation);
            TimeSpan remaining, sleep;
            if (outcome.Term is { } term)
            {
                (remaining, ends, backoff) = (term.EndsIn, now + term.EndsIn, TimeSpan.Zero);
                if (remaining > prior) grace = remaining * (0.1 + jitter * 0.1);
                prior = remaining;
                sleep = remaining * 2 / 3 + grace / 3;
            }
            else
            {
                remaining = ends - now;
                backoff = backoff == TimeSpan.Zero ? TimeSpan.FromSeconds(10) : backoff * 2 < 5 * Minute ? backoff * 2 : 5 * Minute;
                sleep = backoff;
            }

            if (remaining <= grace || remaining - sleep <= grace) await ReadAsync();
            else next = now + sleep;
        }
    }
}
