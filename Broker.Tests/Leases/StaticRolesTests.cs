using System.Collections.Concurrent;
using Broker.Core;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Handles;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Databases;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Two users behind one name, on a real PostgreSQL and a clock of the test's: they take turns, and no turn cuts anybody off.</summary>
public sealed class StaticRolesTests(SharedServers servers)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L4_No_query_fails_over_two_rotations_of_whoever_reads_again_in_time()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour));
        var last = await turns.ReadAsync();
        var logins = new ConcurrentDictionary<string, Login> { ["now"] = last.Credentials.Login };
        var failures = new ConcurrentQueue<string>();
        var queries = 0;
        using var stop = new CancellationTokenSource();
        var working = Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    try
                    {
                        await turns.QueryAsync(logins["now"]);
                        Interlocked.Increment(ref queries);
                    }
                    catch (NpgsqlException e)
                    {
                        failures.Enqueue(e.Message);
                    }
                }
            },
            Cancellation)).ToArray();

        var users = new List<string> { logins["now"].Username };
        for (var rotation = 0; rotation < 2; rotation++)
        {
            // The client does not know of the rotation until the time that it was told has passed.
            await turns.PassAsync(Hour);
            await turns.UntilAsync(leases => leases.Count(lease => lease.State == LeaseState.Active && lease.Username != users[^1]) == 1, "the other user's turn");
            var before = Volatile.Read(ref queries);
            await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref queries) > before + 8), "queries with the password of before", Cancellation);

            last = await turns.ReadAsync(other: last);
            logins["now"] = last.Credentials.Login;
            users.Add(last.Credentials.Login.Username);
            before = Volatile.Read(ref queries);
            await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref queries) > before + 8), "queries with the password of now", Cancellation);
        }

        await stop.CancelAsync();
        await Task.WhenAll(working);
        failures.ShouldBeEmpty();
        users[0].ShouldNotBe(users[1]);
        users[2].ShouldBe(users[0], "they take turns");
    }

    [Fact]
    public async Task A_password_is_handed_out_for_one_turn_and_can_be_logged_in_with_for_two()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour));
        var first = await turns.ReadAsync();
        StaticTerms.UntilTurnOf(turns.Rotation, first).ShouldBeInRange(Hour - TimeSpan.FromMinutes(2), Hour);
        (first.LeaseEndsIn - StaticTerms.UntilTurnOf(turns.Rotation, first)).ShouldBe(Hour);

        await turns.PassAsync(StaticTerms.UntilTurnOf(turns.Rotation, first) - Turns.LongestRead);
        (await turns.ReadAsync()).Credentials.Login.ShouldBe(first.Credentials.Login, "not minutes too early");
        await turns.PassAsync(Turns.LongestRead);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Id != first.Lease.Id), "the other's turn");

        var second = await turns.ReadAsync(other: first);
        await turns.QueryAsync(first.Credentials.Login);
        await turns.PassAsync(Hour);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Id != second.Lease.Id), "the first one's turn again");
        var third = await turns.ReadAsync(other: second);
        third.Credentials.Login.Username.ShouldBe(first.Credentials.Login.Username);
        await Should.ThrowAsync<PostgresException>(() => turns.QueryAsync(first.Credentials.Login));
        await turns.QueryAsync(second.Credentials.Login);
        await turns.QueryAsync(third.Credentials.Login);
    }

    [Fact]
    public async Task L4_An_operators_rotation_out_of_turn_waits_rather_than_cut_off_whoever_has_the_other_users_password()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour));
        var first = await turns.ReadAsync();
        (await turns.Leases.RotateAsync(World.Ask(0).Caller, "reports", "a test", World.From, Cancellation)).ShouldBeNull();
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Id != first.Lease.Id), "one rotation is had at once");
        var second = await turns.ReadAsync(other: first);

        await turns.Leases.RotateAsync(World.Ask(0).Caller, "reports", "a test", World.From, Cancellation);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Failed && lease.Reason.Contains("are in use", StringComparison.Ordinal)), "another is refused, in words");

        await turns.QueryAsync(first.Credentials.Login);
        await turns.QueryAsync(second.Credentials.Login);
        (await turns.ReadAsync()).Credentials.Login.ShouldBe(second.Credentials.Login);
    }

    [Fact]
    public async Task An_operators_order_shuts_a_user_out_and_its_next_turn_lets_it_in()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour));
        var first = await turns.ReadAsync();

        (await turns.Leases.RevokeAsync(World.Ask(0).Caller, first.Lease.Id, "leaked", World.From, Cancellation)).ShouldBeNull();

        await turns.UntilAsync(leases => leases.Any(lease => lease.Id == first.Lease.Id && lease.State == LeaseState.Revoked), "it is over");
        await Should.ThrowAsync<PostgresException>(() => turns.QueryAsync(first.Credentials.Login));
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active), "another took its place");
        var second = await turns.ReadAsync();
        await turns.QueryAsync(second.Credentials.Login);
        second.Credentials.Login.Username.ShouldNotBe(first.Credentials.Login.Username);

        await turns.PassAsync(Hour);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Id != second.Lease.Id), "the first one's turn");
        var third = await turns.ReadAsync(other: second);
        third.Credentials.Login.Username.ShouldBe(first.Credentials.Login.Username);
        await turns.QueryAsync(third.Credentials.Login);
    }

    [Fact]
    public async Task L8_A_ledger_that_knows_of_no_turn_leaves_alone_the_user_that_is_used()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour), inUse: 0);

        (await turns.ReadAsync()).Credentials.Login.Username.ShouldBe(turns.Users.Usernames[1]);

        await turns.QueryAsync(turns.Before[0]);
    }

    [Fact]
    public async Task A_rotation_that_misses_its_window_waits_for_the_next_time_and_the_password_is_handed_out_until_then()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.TryBy("0 */12 * * *", Hour)!);
        var first = await turns.ReadAsync();
        var next = turns.OtherThan(first.Credentials.Login.Username);
        await turns.RenameAsync(next, next + "_away");

        await turns.PassAsync(StaticTerms.UntilTurnOf(turns.Rotation, first));
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Failed), "its time has come, and it fails");
        await turns.PassAsync(Hour + TimeSpan.FromMinutes(1));
        await turns.UntilAsync(leases => leases.Any(lease => lease.Id == first.Lease.Id && lease.State == LeaseState.Active && lease.ExpiresAt == first.Lease.ExpiresAt + 12 * Hour), "it is kept for another turn");
        // What was tried within the window may still be under way at a slow server, and would succeed.
        await turns.UntilAsync(leases => leases.All(lease => lease.State != LeaseState.Issuing), "the last try of the window is over");
        await turns.RenameAsync(next + "_away", next);

        var kept = await turns.ReadAsync();
        kept.Credentials.Login.ShouldBe(first.Credentials.Login);
        StaticTerms.UntilTurnOf(turns.Rotation, kept).ShouldBeInRange(10 * Hour, 11 * Hour);
        await turns.PassAsync(StaticTerms.UntilTurnOf(turns.Rotation, kept) - Turns.LongestRead);
        (await turns.ReadAsync()).Credentials.Login.ShouldBe(first.Credentials.Login, "it could be rotated, and its time has not come");
        await turns.PassAsync(Turns.LongestRead);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Username == next), "the other's turn");

        (await turns.ReadAsync(other: first)).Credentials.Login.Username.ShouldBe(next);
        await turns.QueryAsync(first.Credentials.Login);
    }

    [Fact]
    public async Task A_rotation_that_fails_at_first_is_done_within_its_window()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.TryBy("0 */12 * * *", Hour)!);
        var first = await turns.ReadAsync();
        var next = turns.OtherThan(first.Credentials.Login.Username);
        await turns.RenameAsync(next, next + "_away");
        await turns.PassAsync(StaticTerms.UntilTurnOf(turns.Rotation, first));
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Failed), "its time has come, and it fails");

        await turns.RenameAsync(next + "_away", next);

        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Username == next), "the other's turn");
        StaticTerms.UntilTurnOf(turns.Rotation, await turns.ReadAsync(other: first)).ShouldBeInRange(11 * Hour, 12 * Hour);
    }

    [Fact]
    public async Task Whoever_moves_late_gets_the_password_of_now_and_makes_no_further_turn()
    {
        await using var turns = await Turns.StartAsync(servers, Rotation.Every(Hour));
        var first = await turns.ClaimAsync();
        await turns.PassAsync(Hour - Turns.LongestRead);
        (await turns.RenewAsync(first)).Lease.Id.ShouldBe(first.Lease.Id);
        await turns.PassAsync(Turns.LongestRead);
        await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active && lease.Id != first.Lease.Id), "the other's turn");
        await turns.PassAsync(TimeSpan.FromMinutes(35));
        await turns.QueryAsync(first.Credentials.Login);

        var moved = await turns.RenewAsync(first, isMoved: true);

        moved.Overlap.ShouldNotBeNull();
        moved.Credentials.Login.Username.ShouldBe(turns.OtherThan(first.Credentials.Login.Username));
        await turns.QueryAsync(first.Credentials.Login);
        await turns.QueryAsync(moved.Credentials.Login);
        (await turns.RenewAsync(moved)).Overlap.ShouldBeNull("it has moved");
        (await turns.AllAsync()).Count.ShouldBe(2, "nothing was made for it");
    }

    [Theory]
    [InlineData("2030-01-01T13:00:00Z", false)]
    [InlineData("2030-01-01T14:00:00Z", true)]
    [InlineData("2030-01-01T20:00:00Z", true)]
    public void A_window_is_over_when_its_time_has_passed(string now, bool missed)
    {
        var made = new DateTimeOffset(2030, 1, 1, 0, 0, 30, TimeSpan.Zero);
        var rotation = Rotation.TryBy("0 */12 * * *", 2 * Hour)!;
        var (own, spare) = rotation.TurnsFrom(made);

        rotation.IsMissed(made, made + own + spare, DateTimeOffset.Parse(now, null)).ShouldBe(missed);
        Rotation.TryBy("0 */12 * * *")!.IsMissed(made, made + own + spare, DateTimeOffset.Parse(now, null)).ShouldBeFalse("there is no window");
    }

    [Theory]
    [InlineData("0 3 * * SAT", "2030-01-05T03:00:00Z", "2030-01-12T03:00:00Z")]
    [InlineData("*/10 * * * *", "2030-01-01T00:10:00Z", "2030-01-01T00:20:00Z")]
    public void A_schedule_is_kept_to(string schedule, string next, string afterThat)
    {
        var rotation = Rotation.TryBy(schedule)!;
        var now = new DateTimeOffset(2030, 1, 1, 0, 0, 30, TimeSpan.Zero);
        var (own, spare) = rotation.TurnsFrom(now);

        (now + own).ShouldBe(DateTimeOffset.Parse(next, null));
        (now + own + spare).ShouldBe(DateTimeOffset.Parse(afterThat, null));
        rotation.TurnOf(now, now + own + spare).ShouldBe(now + own);
        rotation.TurnOf(now + own - TimeSpan.FromMilliseconds(1), now + own + spare).ShouldBe(now + own, "made in the last moment before");
        rotation.TurnOf(now + own + TimeSpan.FromMilliseconds(1), now + own + spare).ShouldBe(now + own, "and known a moment after it");
    }

    /// <summary>One replica with a static role, its users made beforehand.</summary>
    private sealed class Turns : IAsyncDisposable
    {
        /// <summary>More of the world's time than passes while something is waited for, however slow the machine is: see <see cref="Step"/>.</summary>
        public static readonly TimeSpan LongestRead = TimeSpan.FromMinutes(10);

        private readonly FakeTimeProvider clock = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        private readonly ConcurrentQueue<string> log = new();
        private readonly PostgresFixture postgres;
        private readonly ServiceProvider services;

        private Turns(PostgresFixture postgres, StaticUsers users)
        {
            (this.postgres, Users) = (postgres, users);
            var database = postgres.Database with { Budget = new() { CeilingPercent = 100 }, Issuing = new() { UsersPerSecond = 100, Burst = 100, InFlight = 10 } };
            var role = World.OrdersApi with { Name = "reports", CreationStatements = [], Static = users, KeepReady = true, MaxHoldersPerLease = 100_000, HolderTtl = Hour };
            var collection = new ServiceCollection();
            collection.AddLogging(logging => logging.AddProvider(new Told(log, clock))).AddMetrics().AddSingleton<TimeProvider>(clock);
            collection.AddSingleton<ICatalog>(new FixedCatalog(new(
                new Dictionary<string, Database> { ["orders"] = database },
                new Dictionary<string, IssuerDefinition> { ["builtin"] = new BuiltInIssuerDefinition("builtin") },
                new Dictionary<string, Role> { ["reports"] = role },
                new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], []))));
            collection.AddBrokerCore(new BrokerSettings());
            collection.Replace(ServiceDescriptor.Singleton<ILedgerStore>(new InProcessLedgerStore(clock)));
            collection.Replace(ServiceDescriptor.Singleton<IAudit>(new RecordingAudit()));
            services = collection.BuildServiceProvider();
        }

        public StaticUsers Users { get; }

        public Rotation Rotation => Users.Rotation;

        /// <summary>The passwords that the users had before.</summary>
        public List<Login> Before { get; } = [];

        public LeaseDesk Leases => services.GetRequiredService<LeaseDesk>();

        public static async Task<Turns> StartAsync(SharedServers servers, Rotation rotation, int? inUse = null)
        {
            var postgres = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
            var before = new[] { await postgres.CreateLoginAsync("a", "", Cancellation), await postgres.CreateLoginAsync("b", "", Cancellation) };
            if (inUse is { } used) await postgres.OpenAsync(before[used], Cancellation);
            var turns = new Turns(postgres, new([.. before.Select(login => login.Username)], rotation));
            turns.Before.AddRange(before);
            foreach (var hosted in turns.services.GetServices<IHostedService>()) await hosted.StartAsync(Cancellation);
            await turns.UntilAsync(leases => leases.Any(lease => lease.State == LeaseState.Active), "the first turn");
            return turns;
        }

        /// <summary>Reads, again when the world was too slow for the broker's clock.</summary>
        /// <param name="other">Until it is another's login than this one: while a database was not counted for long, holders keep what they have.</param>
        public Task<Grant> ReadAsync(Grant? other = null) => GrantedAsync(
            other is null ? null : grant => grant.Credentials.Login.Username != other.Credentials.Login.Username,
            () => services.GetRequiredService<HandleDesk>().ReadStaticAsync(World.Ask(0, role: "reports"), Rotation, Cancellation));

        private async Task<Grant> GrantedAsync(Func<Grant, bool>? wanted, Func<ValueTask<Outcome>> ask)
        {
            Grant? grant = null;
            var reading = Task.FromResult(default(Outcome));
            await Eventually.HoldsAsync(
                async () =>
                {
                    if (reading.IsCompleted)
                    {
                        grant = (await reading).Grant is { } given && wanted?.Invoke(given) != false ? given : null;
                        if (grant is null) reading = ask().AsTask();
                    }

                    return Step(grant is not null);
                },
                "it is read", Cancellation);
            return grant!;
        }

        public string OtherThan(string user) => Users.Usernames.Single(name => name != user);

        public Task RenameAsync(string from, string to) => postgres.DoAsync($"ALTER ROLE \"{from}\" RENAME TO \"{to}\"", Cancellation);

        public async Task<IReadOnlyList<LeaseRecord>> AllAsync() => await services.GetRequiredService<SharedLedger>().Leases.LeasesAsync("orders", 1000, Cancellation);

        /// <summary>Claims as the native API does.</summary>
        public Task<Grant> ClaimAsync() => GrantedAsync(null, () => services.GetRequiredService<CredentialDesk>().ClaimAsync(World.Ask(0, role: "reports"), Cancellation));

        /// <summary>Renews as the native API does, working with what was granted last.</summary>
        /// <param name="last">What was granted last.</param>
        /// <param name="isMoved">Until it is moved: while a database was not counted for long, holders keep what they have.</param>
        public Task<Grant> RenewAsync(Grant last, bool isMoved = false) => GrantedAsync(isMoved ? grant => grant.Lease.Id != last.Lease.Id : null, () =>
            services.GetRequiredService<HolderDesk>().RenewAsync(World.Ask(0).Caller, last.Holder.Id, World.From, Cancellation, last.Lease.Id));

        public async Task QueryAsync(Login login)
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
            {
                Host = postgres.Database.Host,
                Port = postgres.Database.Port,
                Database = postgres.Name,
                Username = login.Username,
                Password = login.Password.Reveal(),
                Pooling = false,
            }.ConnectionString);
            await connection.OpenAsync(Cancellation);
            await using var command = new NpgsqlCommand("SELECT pg_sleep(0.01)", connection);
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        /// <summary>Lets so much time pass; what is due in it is done soon after.</summary>
        public async Task PassAsync(TimeSpan time)
        {
            for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromMinutes(1))
            {
                clock.Advance(TimeSpan.FromMinutes(1) < time - passed ? TimeSpan.FromMinutes(1) : time - passed);
                await Task.Yield();
            }
        }

        /// <summary>Lets seconds pass until the leases are so.</summary>
        public Task UntilAsync(Func<IReadOnlyList<LeaseRecord>, bool> condition, string what)
        {
            IReadOnlyList<LeaseRecord> last = [];
            return Eventually.StepsAsync(
                async () => Step(condition(last = await AllAsync())),
                what,
                Cancellation,
                () => string.Join('\n', [$"It is {clock.GetUtcNow():u}.", .. last.Select(lease => $"{lease.Id}: {lease.Username} {lease.State}, made {lease.CreatedAt:u}, issued {lease.IssuedAt:u} to {lease.ExpiresAt:u}, read {lease.ReadAt:u}, {lease.Reason}"), .. log.TakeLast(100)]));
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var hosted in services.GetServices<IHostedService>()) await hosted.StopAsync(CancellationToken.None);
            await services.DisposeAsync();
            await postgres.DisposeAsync();
        }

        // A moment each time that something has not come true yet: a real server may take as long as it likes.
        private bool Step(bool done)
        {
            if (!done) clock.Advance(TimeSpan.FromMilliseconds(50));
            return done;
        }
    }
}
