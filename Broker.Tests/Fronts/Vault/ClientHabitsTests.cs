using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Handles;
using Broker.Core.Model;
using Broker.Tests.Authentication;
using Broker.Tests.Authentication.Kubernetes;
using Broker.Tests.Deployment;
using Broker.Tests.Leases;
using Broker.Tests.Security;
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

    // Whatever else befalls the broker and its issuer in a month: what an operator's rotation leaves no other way for is all that restarts anything.
    [Theory]
    [InlineData(10, 4)]
    [InlineData(15, 4)]
    [InlineData(20, 0)]
    [InlineData(30, 0)]
    [InlineData(30, 4)]
    [InlineData(60, 4)]
    public async Task Vault_Secrets_Operator_restarts_a_deployment_for_nothing_but_another_user_in_thirty_days(int minutes, int rotations)
    {
        var tick = TimeSpan.FromMinutes(minutes);
        int hour = 60 / minutes, day = 24 * hour;
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromHours(6), LeaseMaxTtl = TimeSpan.FromDays(60) });
        world.Issuer.Life = TimeSpan.FromHours(12);
        var replica = await world.ReplicaAsync();
        var vso = new SecretsOperator(world, replica);
        await vso.SyncAsync();
        vso.Duration.ShouldBe(TimeSpan.FromHours(4));

        for (var at = 1; at <= 30 * day; at++)
        {
            // The issuer is away for three hours every third day.
            world.Issuer.RenewFailure = at % (3 * day) / hour is >= 30 and < 33 ? new(Core.Issuing.IssuerFailure.Unavailable, "away") : null;
            if (rotations > 0 && at % (7 * day) == 0)
                (await world.PassAsync(replica.Leases.RotateAsync(Identity.Callers.Pod("op", "op"), "orders-api", "for a test", World.From, Cancellation).AsTask(), Minute)).ShouldBeNull();
            world.Clock.Advance(tick);
            await world.IdleAsync();
            await vso.LookAsync();
        }

        if (rotations == 0) world.Issuer.Made.ShouldBe(1, "one user served the month");
        vso.Restarts.Count.ShouldBe(rotations, string.Join("; ", vso.Restarts));
        vso.Renewals.ShouldBeGreaterThan(30 * 24 / 4);
        world.Issuer.Users.Keys.ShouldContain(vso.Username, "what the deployment works with is there");
    }

    /// <summary>Both logins of its holder have no room side by side, so the holder stays until the old one ends: restarts for that alone are few.</summary>
    [Fact]
    public async Task Vault_Secrets_Operator_does_not_restart_again_and_again_while_its_holder_has_no_room_to_move()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 40, Max = 40 } }, capacity: 70);
        world.Issuer.Life = TimeSpan.FromHours(12);
        var replica = await world.ReplicaAsync();
        var vso = new SecretsOperator(world, replica);
        await vso.SyncAsync();
        var old = vso.Username;
        (await world.PassAsync(replica.Leases.RotateAsync(Identity.Callers.Pod("op", "op"), "orders-api", "for a test", World.From, Cancellation).AsTask(), Minute)).ShouldBeNull();

        for (var minute = 0; minute < 14 * 60; minute++)
        {
            world.Clock.Advance(Minute);
            await world.IdleAsync();
            await vso.LookAsync();
            world.Issuer.Users.Keys.ShouldContain(vso.Username, $"after {minute} minutes, what the deployment works with is there");
        }

        vso.Username.ShouldNotBe(old);
        vso.Restarts.Count.ShouldBeInRange(1, 10, string.Join("; ", vso.Restarts));
    }

    /// <summary>One holder may stand for a whole deployment (VSO, ESO), whose pods have the next login only after a rolling restart.</summary>
    [Fact]
    public async Task L4_a_login_works_for_as_long_as_its_client_was_told_although_its_holder_has_moved()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var vso = new SecretsOperator(world, replica);
        await vso.SyncAsync();
        var (old, told) = (vso.Username, world.Clock.GetUtcNow() + vso.Duration);
        (await world.PassAsync(replica.Leases.RotateAsync(Identity.Callers.Pod("op", "op"), "orders-api", "for a test", World.From, Cancellation).AsTask(), Minute)).ShouldBeNull();
        for (var seconds = 0; vso.Username == old && seconds < 60; seconds++)
        {
            await vso.SyncAsync();
            await world.PassAsync(TimeSpan.FromSeconds(1));
        }

        vso.Username.ShouldNotBe(old);
        (told - world.Clock.GetUtcNow()).ShouldBeGreaterThan(TimeSpan.FromMinutes(15));
        while (world.Clock.GetUtcNow() < told - TimeSpan.FromSeconds(30))
        {
            world.Issuer.Users.Keys.ShouldContain(old, $"{told - world.Clock.GetUtcNow()} before it was to end");
            await world.PassAsync(TimeSpan.FromSeconds(10));
            await vso.LookAsync();
        }

        // The holder itself was given more than its client was told.
        await world.PassAsync(() => !world.Issuer.Users.ContainsKey(old), World.OrdersApi.HolderTtl);
    }

    /// <summary>
    /// Of a static role the operator waits for the told time, half a second and up to 150 ms more. Up to 0.10 it kept the time that it was told before
    /// whenever it found the password unchanged, and so came a whole turn late (controllers/vaultdynamicsecret_controller.go@9b840a5a, computePostSyncHorizon).
    /// </summary>
    [Theory]
    [InlineData(0, 300)]
    [InlineData(150, 300)]
    [InlineData(0, 950)]
    [InlineData(80, 0)]
    public async Task Vault_Secrets_Operator_has_every_password_of_a_static_role_soon_after_its_turn(int jitter, int begins)
    {
        var rotation = Rotation.Every(Minute);
        await using var world = new World(World.OrdersApi with { Name = "reports", CreationStatements = [], Static = new(["reports_a", "reports_b"], rotation), KeepReady = true, HolderTtl = Minute });
        var replica = await world.ReplicaAsync();
        world.Clock.Advance(TimeSpan.FromMilliseconds(begins));
        var (user, told, late) = ("", TimeSpan.Zero, new List<TimeSpan>());
        for (var read = 0; read < 30; read++)
        {
            var grant = (await world.PassAsync(replica.Handles.ReadStaticAsync(World.Ask(1, role: "reports"), rotation, Cancellation).AsTask(), Minute)).Grant.ShouldNotBeNull();
            if (grant.Credentials.Login.Username != user)
            {
                if (user.Length > 0) late.Add(world.Clock.GetUtcNow() - grant.Lease.IssuedAt);
                told = TimeSpan.FromSeconds(Math.Floor(StaticTerms.LeftOf(rotation, grant).TotalSeconds));
                told.ShouldBeLessThanOrEqualTo(Minute, "the period");
                user = grant.Credentials.Login.Username;
            }

            var next = world.Clock.GetUtcNow() + (told > TimeSpan.Zero ? told + TimeSpan.FromMilliseconds(500) : TimeSpan.FromSeconds(1)) + TimeSpan.FromMilliseconds(jitter);
            while (next - world.Clock.GetUtcNow() is { Ticks: > 0 } left)
            {
                world.Clock.Advance(left < TimeSpan.FromMilliseconds(250) ? left : TimeSpan.FromMilliseconds(250));
                await world.IdleAsync();
            }
        }

        late.Count.ShouldBe(29, "it found another password each time");
        late.ShouldAllBe(time => time < TimeSpan.FromSeconds(5));
    }

    /// <summary>
    /// The operator's own token: it renews it as a LifetimeWatcher does and logs in anew when that ends, which restarts what it looks after
    /// (vault-secrets-operator vault/client.go@03bd1f27; from 0.6.0 on). A token that a cluster is asked about ends with the one that it was made with.
    /// </summary>
    [Theory]
    [InlineData(false, 600, 0)]
    [InlineData(true, null, 31)]
    public async Task Vault_Secrets_Operator_keeps_its_token_for_thirty_days_or_for_as_long_as_its_manifest_asks_where_the_cluster_reviews_it(bool isReviewed, int? seconds, int most)
    {
        var directory = Directory.CreateTempSubdirectory("broker-vault-review-").FullName;
        await using var cluster = await ServedKubernetes.StartAsync(directory);
        await using var world = new BrokerWorld(!isReviewed ? [] :
        [
            ("Identity:Issuers:kubernetes:JwksFile", null), ("Identity:Issuers:kubernetes:TokenReview:Address", cluster.Address.AbsoluteUri),
            ("Identity:Issuers:kubernetes:TokenReview:CaFile", cluster.CaFile), ("Identity:Issuers:kubernetes:TokenReview:TokenFile", cluster.TokenFile),
        ]);
        cluster.Keys = TokenMint.KeySet(world.Mint);
        var lasts = seconds is { } said ? TimeSpan.FromSeconds(said) : ConsumerLogins.ByManifest["vault-secrets-operator.yaml"]().Lasts;
        var caller = new VaultCaller(await world.ReplicaAsync());
        var end = world.Time.GetUtcNow() + TimeSpan.FromDays(30);

        var logins = 0;
        while (world.Time.GetUtcNow() < end && logins <= most + 1)
        {
            logins++;
            var jwt = world.Mint.Token(payload =>
            {
                payload["exp"] = world.Time.GetUtcNow().ToUnixTimeSeconds() + (long)lasts.TotalSeconds;
                payload["kubernetes.io"]!.AsObject().Remove("pod");
            });
            cluster.Recordings[jwt] = "04-review-broker-audience";
            (await caller.LogInAsync(jwt)).Status.ShouldBe(200);
            var (grace, prior) = (TimeSpan.Zero, TimeSpan.Zero);
            while (world.Time.GetUtcNow() < end)
            {
                var renewed = await caller.SendAsync("PUT", "auth/token/renew-self");
                renewed.Status.ShouldBe(200, renewed.Text);
                var left = TimeSpan.FromSeconds((int)renewed.Body["auth"]!["lease_duration"]!);
                if (left > prior) grace = left * 0.15;
                prior = left;
                var sleep = left * 2 / 3 + grace / 3;
                if (left - sleep <= grace) break;
                world.Time.Forward(sleep);
            }
        }

        (logins - 1).ShouldBeLessThanOrEqualTo(most);
        Directory.Delete(directory, recursive: true);
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

    /// <summary>
    /// Vault Secrets Operator's decisions for a dynamic secret (internal/vault/client.go@06bc1738, its controller@01360aad): renews at
    /// two thirds with the first duration as increment; an error, another id, or less than the increment means a fresh read, and each
    /// fresh read restarts the deployment.
    /// </summary>
    private sealed class SecretsOperator(World world, World.Replica replica)
    {
        private readonly Ask ask = World.Ask(1);
        private string lease = "";
        private DateTimeOffset next;

        /// <summary>When and why.</summary>
        public List<string> Restarts { get; } = [];

        public int Renewals { get; private set; }

        public TimeSpan Duration { get; private set; }

        public string Username { get; private set; } = "";

        public async Task SyncAsync()
        {
            var outcome = await world.PassAsync(replica.Handles.ReadAsync(ask, "database/creds/orders-api", "token-of-the-operator", Cancellation).AsTask(), Minute);
            var term = outcome.Term.ShouldNotBeNull(outcome.Refusal?.Detail);
            (lease, Duration, next, Username) = (term.Handle.Id, term.EndsIn, world.Clock.GetUtcNow() + term.EndsIn * 0.67, outcome.Grant!.Credentials.Login.Username);
        }

        public async Task LookAsync()
        {
            if (world.Clock.GetUtcNow() < next) return;
            Renewals++;
            var outcome = await replica.Handles.RenewAsync(ask.Caller, lease, Duration, World.From, Cancellation);
            if (outcome.Term is { } term && term.Handle.Id == lease && term.EndsIn >= Duration) next = world.Clock.GetUtcNow() + term.EndsIn * 0.67;
            else
            {
                Restarts.Add($"{world.Clock.GetUtcNow():dd HH:mm} {outcome.Refusal?.Detail ?? $"renewed for {outcome.Term?.EndsIn}"}");
                await SyncAsync();
            }
        }
    }
}
