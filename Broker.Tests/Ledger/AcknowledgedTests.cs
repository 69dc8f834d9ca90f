using System.Diagnostics.Metrics;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Core.Sessions.ClientTokens;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>Rare records that are costly to forget are acknowledged when a replica of Redis has them: real primaries, replicas and failovers.</summary>
public sealed class AcknowledgedTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new();
    private readonly Heard log = new();
    private readonly Meters meters = new();
    private LocalRedis redis = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => redis = await LocalRedis.StartAsync(cancellation: Cancellation);

    public ValueTask DisposeAsync() => redis.DisposeAsync();

    // A replica that works answers within two seconds, also where the machine does much else.
    private RedisLedgerStore Open(TimeSpan? within = null) => new(RedisConnection.Open(redis.ConnectionString), log, meters, time, within ?? TimeSpan.FromSeconds(2));

    private static TextLedger Texts(ILedgerStore store) => new(new LedgerClient(store));

    private async Task<long> WaitsAsync()
    {
        var said = await redis.ExecuteAsync("INFO", "commandstats");
        var line = said.Split('\n').FirstOrDefault(one => one.StartsWith("cmdstat_wait:", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split("calls=")[1].Split(',')[0], System.Globalization.CultureInfo.InvariantCulture);
    }

    // Looked at in the background: one decision asks, a later one is acknowledged.
    private async Task AcknowledgedAsync(TextLedger texts) => await Eventually.StepsAsync(
        async () =>
        {
            time.Advance(TimeSpan.FromSeconds(11));
            var (waits, missed) = (await WaitsAsync(), meters.Missed);
            await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation);
            if (await WaitsAsync() == waits || meters.Missed > missed) return false;
            log.Forget();
            return true;
        },
        "a replica acknowledged a decision",
        Cancellation);

    // On a machine that stands still for so long a replica is taken for lost, and nobody waits for it for a while: then nothing was shown.
    private async Task WithoutMissAsync(Func<int, Task> steps)
    {
        for (var again = 0; ; again++)
        {
            var missed = meters.Missed;
            try
            {
                await steps(again);
                return;
            }
            catch (Exception e) when (again < 30 && (e is LedgerException || meters.Missed > missed))
            {
                log.Forget();
            }
        }
    }

    [Fact]
    public Task L8_What_was_answered_is_there_after_a_failover() => WithoutMissAsync(async again =>
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = Open();
        var texts = Texts(store);
        await AcknowledgedAsync(texts);
        for (var i = 0; i < 50; i++) (await texts.ReplaceSharedAsync($"ceiling:{again}:{i}", null, "60", Cancellation)).ShouldBeTrue();
        await redis.PauseAsync(); // at once: what it had not sent by now it never sends
        try
        {
            await replica.PromoteAsync();
            await using var other = new RedisLedgerStore(RedisConnection.Open(replica.ConnectionString));
            for (var i = 0; i < 50; i++) (await Texts(other).ReadSharedAsync($"ceiling:{again}:{i}", Cancellation)).ShouldNotBeNull().Text.ShouldBe("60");
            log.Said.ShouldBeEmpty();
        }
        finally
        {
            await redis.ResumeAsync();
        }
    });

    [Fact]
    public async Task L8_A_decision_whose_script_Redis_had_lost_waits_behind_what_is_sent_once_more()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = Open();
        var texts = Texts(store);
        await WithoutMissAsync(async again =>
        {
            await AcknowledgedAsync(texts);
            await redis.ExecuteAsync("SCRIPT", "FLUSH");
            var before = await WaitsAsync();
            await texts.ReplaceSharedAsync($"after the loss {again}", null, "text", Cancellation);
            (await WaitsAsync()).ShouldBe(before + 2, "the first was answered before the decision was taken");
            await texts.ReplaceSharedAsync($"later {again}", null, "text", Cancellation);
            (await WaitsAsync()).ShouldBe(before + 3);
        });
    }

    [Fact]
    public async Task L8_The_end_of_a_token_and_of_what_is_to_be_had_once_waits_for_a_replica()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = Open();
        var seal = new LedgerSeal(new EphemeralDataProtectionProvider());
        var (tokens, wrapped) = (new ClientTokenLedger(store, seal), new WrappedAnswers(store, seal));
        await WithoutMissAsync(async _ =>
        {
            await AcknowledgedAsync(Texts(store));
            var before = await WaitsAsync();
            await tokens.DropAsync("none", Cancellation);
            var then = await WaitsAsync();
            then.ShouldBeGreaterThan(before);
            await wrapped.UnwrapAsync(ClientTokenText.New().Reveal(), Cancellation);
            (await WaitsAsync()).ShouldBeGreaterThan(then);
        });
    }

    [Fact]
    public async Task Where_there_is_no_replica_nothing_waits()
    {
        await using var store = Open();
        var texts = Texts(store);
        for (var i = 0; i < 20; i++)
        {
            await texts.ReplaceSharedAsync($"text:{i}", null, "text", Cancellation);
            time.Advance(TimeSpan.FromSeconds(11));
        }

        (await WaitsAsync()).ShouldBe(0);
        log.Said.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_decision_and_its_wait_are_sent_together_so_that_an_issue_takes_no_round_trip_more()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var way = new HeldAnswers(redis.Port);
        await using var store = new RedisLedgerStore(RedisConnection.Open($"127.0.0.1:{way.Port}"), log, meters, time, TimeSpan.FromSeconds(2));
        await AcknowledgedAsync(Texts(store));
        var issues = new SharedLedger(store).Issues;
        // A script that Redis has not yet is sent once more.
        await issues.BeginAsync("orders", "lease", 1, "user", new PaceSettings(), Cancellation);
        var before = await WaitsAsync();

        way.Hold();
        var begun = issues.BeginAsync("orders", "lease", 1, "user", new PaceSettings(), Cancellation);
        await Eventually.HoldsAsync(async () => await WaitsAsync() > before, "Redis is asked to wait, though nobody has heard what was decided", Cancellation);
        way.LetGo();

        try
        {
            await begun;
        }
        catch (LedgerException)
        {
            // On a slow machine the answer was held for too long.
        }
    }

    [Fact]
    public async Task Claims_wait_for_no_replica()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = Open();
        await AcknowledgedAsync(Texts(store));
        var before = await WaitsAsync();
        var ledger = new SharedLedger(store);
        await ledger.Budgets.SampleAsync("orders", 100, 200, 3, 100, 0, TimeSpan.FromMinutes(1), Cancellation);
        var terms = new RoleTerms("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.FromMinutes(10));
        for (var pod = 0; pod < 20; pod++)
        {
            var id = $"r.{pod:D28}";
            await ledger.Claims.ClaimAsync("orders", new PaceSettings(), 10, [new(id, terms, "r", 1, 1, TimeSpan.FromSeconds(30), TimeSpan.Zero, ClaimKind.Claim, "c")], Cancellation);
            await ledger.Holders.ReleaseAsync("orders", id, Cancellation);
        }

        (await WaitsAsync()).ShouldBe(before);
    }

    [Fact]
    public async Task L10_A_replica_that_stands_still_holds_up_nobody_for_long_and_is_said_once()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = Open(TimeSpan.FromMilliseconds(100));
        var texts = Texts(store);
        await AcknowledgedAsync(texts);
        await replica.PauseAsync();
        try
        {
            var before = await WaitsAsync();
            await Task.WhenAll(Enumerable.Range(0, 100).Select(i => texts.ReplaceSharedAsync($"slow:{i}", null, "text", Cancellation).AsTask()));
            var waits = await WaitsAsync();
            (waits - before).ShouldBeInRange(1, 10, "those that come while one waits share the next wait");
            for (var i = 0; i < 20; i++) await texts.ReplaceSharedAsync($"after:{i}", null, "text", Cancellation);
            (await WaitsAsync()).ShouldBe(waits, "nobody waits for ten seconds");
            time.Advance(TimeSpan.FromSeconds(11));
            await texts.ReplaceSharedAsync("again", null, "text", Cancellation);
            (await WaitsAsync()).ShouldBe(waits + 1);
            log.Said.ShouldBe([1702], "it is said once");
            meters.Missed.ShouldBeGreaterThanOrEqualTo(2);
        }
        finally
        {
            await replica.ResumeAsync();
        }

        await Eventually.StepsAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromSeconds(11));
                await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation);
                return log.Said.Contains(1703);
            },
            "it is said that the replica is back",
            Cancellation);
        (await texts.ReadSharedAsync("slow:99", Cancellation))!.Value.Text.ShouldBe("text");
    }

    [Fact]
    public async Task A_user_without_the_right_to_wait_is_answered_at_once_and_told_of()
    {
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await redis.ExecuteAsync("ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-wait");
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString + ",user=plain,password=secret"), log, meters, time);
        await Eventually.StepsAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromSeconds(11));
                return await Texts(store).ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation) && log.Said.Contains(1702);
            },
            "it is said",
            Cancellation);
    }

    private sealed class Heard : ILogger<RedisLedgerStore>
    {
        private readonly Lock gate = new();
        private readonly List<int> said = [];

        public int[] Said
        {
            get
            {
                lock (gate) return [.. said];
            }
        }

        public void Forget()
        {
            lock (gate) said.Clear();
        }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (gate) said.Add(eventId.Id);
        }
    }

    private sealed class Meters : IMeterFactory
    {
        private readonly MeterListener listener = new();
        private long missed;

        public long Missed => Interlocked.Read(ref missed);

        public Meter Create(MeterOptions options)
        {
            var meter = new Meter(options);
            listener.InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Meter == meter && instrument.Name == "broker.ledger.unacknowledged") own.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref missed, value));
            listener.Start();
            return meter;
        }

        public void Dispose() => listener.Dispose();
    }
}
