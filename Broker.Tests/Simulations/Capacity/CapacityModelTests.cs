using System.Globalization;
using LoadTests;
using LoadTests.FromInside.Capacity;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Simulations.Capacity;

/// <summary>The capacity model: <c>loadtests simulate --pods</c>.</summary>
public sealed class CapacityModelTests
{
    private static readonly ServiceTimes Times = new()
    {
        TakenOn = "made up for tests",
        Arrival = new(400, ""),
        Answer = new(100, ""),
        Trip = new(100, ""),
        Waiting = new(50, ""),
        ReplicaWake = new(0, ""),
        ReplicaRounds = new(100, ""),
        ReplicaDuties = new(100, ""),
        Decision = new(50, ""),
        NewHolder = new(20, ""),
        RedisWake = new(0, ""),
        RedisRounds = new(50, ""),
        RedisDuties = new(50, ""),
        MasterAtRest = new(1_000, ""),
        Issue = new(30_000, ""),
        Generator = new(200, ""),
        GeneratorWake = new(0, ""),
    };

    // 5,000 pods a second are two and a half seconds of work of a replica's processor.
    private static readonly CapacityPlan Plan = new() { Pods = 5_000, Databases = 10, Replicas = 3, Masters = 3, Rollout = TimeSpan.FromSeconds(1), MaxHoldersPerLease = 100_000, Seed = 1 };

    // Redis' threads are what is short: 2,000 µs a claim.
    private static readonly ServiceTimes SlowRedis = Times with { NewHolder = new(2_000, "") };

    [Fact]
    public void More_replicas_never_serve_the_last_pod_later_where_their_processors_are_short()
    {
        var took = new[] { 1, 2, 3, 6, 12 }.Select(replicas => CapacityModel.Run(Plan with { Replicas = replicas }, Times).Took).ToArray();
        took.ShouldBe(took.OrderDescending());
        took[0].ShouldBeGreaterThan(2.5);
        took[^1].ShouldBeLessThan(1.2);
    }

    [Fact]
    public void Short_processors_of_replicas_are_said_to_be_and_none_where_there_are_enough()
    {
        var few = CapacityModel.Run(Plan with { Replicas = 1 }, Times);
        few.First.ShouldNotBeNull().Kind.ShouldBe(StationKind.Replica);
        Advice.Of(few).ShouldContain("add replicas");
        var many = CapacityModel.Run(Plan with { Replicas = 30, Rollout = TimeSpan.FromSeconds(5) }, Times);
        many.First.ShouldBeNull();
        Advice.Of(many).ShouldStartWith("No queue grows");
        Advice.Of(many).ShouldEndWith("Nothing needs to be added.");
        var barely = CapacityModel.Run(Plan with { Replicas = 1, Rollout = TimeSpan.FromSeconds(3.5) }, Times);
        barely.First.ShouldBeNull();
        Advice.Of(barely).ShouldContain("It has little left: before more comes, add replicas");
    }

    [Fact]
    public void One_hot_database_is_bounded_by_one_master_however_many_there_are()
    {
        var hot = Plan with { Pods = 1_000, Replicas = 10, HotPercent = 100 };
        var took = new[] { 1, 3, 30 }.Select(masters => CapacityModel.Run(hot with { Masters = masters }, SlowRedis)).ToArray();
        foreach (var one in took)
        {
            one.Took.ShouldBeInRange(2, 2.6); // 1,000 claims of 2 ms, one after the other
            one.First.ShouldNotBeNull().Kind.ShouldBe(StationKind.Master);
            Advice.Of(one).ShouldContain("more masters change nothing");
        }
    }

    [Fact]
    public void Databases_that_are_spread_are_served_faster_by_more_masters()
    {
        var spread = Plan with { Pods = 2_000, Replicas = 10, Databases = 50 };
        var (one, ten) = (CapacityModel.Run(spread with { Masters = 1 }, SlowRedis), CapacityModel.Run(spread with { Masters = 10 }, SlowRedis));
        one.Took.ShouldBeGreaterThan(4);
        ten.Took.ShouldBeLessThan(one.Took / 2);
        Advice.Of(one).ShouldContain("add masters");
    }

    [Fact]
    public void Claims_share_round_trips_the_more_the_slower_Redis_is()
    {
        var fast = CapacityModel.Run(Plan with { Databases = 1, Replicas = 10 }, Times with { Decision = new(10, "") });
        var slow = CapacityModel.Run(Plan with { Databases = 1, Replicas = 10 }, Times with { Decision = new(20_000, "") });
        slow.ClaimsADecision.ShouldBeGreaterThan(4 * fast.ClaimsADecision);
        slow.RedisPerThousand.ShouldBeLessThan(20_000e-6 * 1000 / 4);
    }

    [Fact]
    public void Pods_wait_for_the_pace_at_which_a_database_bears_users_where_a_lease_holds_few()
    {
        // 20 users, five at once and then five a second.
        var paced = CapacityModel.Run(Plan with { Pods = 2_000, Databases = 1, Replicas = 20, MaxHoldersPerLease = 100 }, Times);
        paced.Took.ShouldBeInRange(3, 3.6);
        paced.First.ShouldNotBeNull().Kind.ShouldBe(StationKind.Issuing);
        Advice.Of(paced).ShouldContain("MaxHoldersPerLease");
        CapacityModel.Run(Plan with { Pods = 2_000, Databases = 1, Replicas = 20 }, Times).Took.ShouldBeLessThan(2);
    }

    [Fact]
    public void Pods_that_find_a_lease_ask_Redis_once_and_those_that_wait_for_it_again()
    {
        var atOnce = Plan with { Pods = 1_000, Rollout = TimeSpan.Zero, Replicas = 30 };
        var (warm, cold) = (CapacityModel.Run(atOnce with { Warm = true }, Times), CapacityModel.Run(atOnce, Times));
        (cold.RedisPerThousand - warm.RedisPerThousand).ShouldBeGreaterThan(0.9 * 1_000 * 20e-6);
        warm.P99.ShouldBeLessThan(cold.P99);
    }

    [Fact]
    public void On_shared_processors_everything_takes_as_long_as_all_work_together()
    {
        var shared = CapacityModel.Run(Plan with { Processors = 2, Replicas = 10 }, Times);
        shared.Took.ShouldBeGreaterThan((shared.ReplicasPerThousand + shared.RedisPerThousand + (200e-6 * 1000)) * 5 / 2);
        shared.First.ShouldNotBeNull().Kind.ShouldBe(StationKind.Machine);
    }

    [Fact]
    public void A_seed_gives_the_same_result_and_another_seed_another()
    {
        var (first, again, other) = (CapacityModel.Run(Plan, Times), CapacityModel.Run(Plan, Times), CapacityModel.Run(Plan with { Seed = 2 }, Times));
        again.ShouldBeEquivalentTo(first);
        other.P99.ShouldNotBe(first.P99);
    }

    [Fact]
    public void The_table_names_each_kind_of_place_and_says_where_the_first_queue_grows()
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        CapacityTable.Write(AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text) }), [CapacityModel.Run(Plan with { Replicas = 1 }, Times)], Times);
        var said = text.ToString();
        foreach (var part in new[] { "replicas' processors (1)", "Redis' threads (3)", "users that databases make (10)", "made up for tests", "1 replica: The first queue grows from second" }) said.ShouldContain(part);
    }

    [Fact]
    public void The_kept_service_times_are_measured_and_say_where_each_comes_from()
    {
        var kept = ServiceTimes.Kept();
        foreach (var (name, time) in kept.All())
        {
            time.Microseconds.ShouldBeGreaterThanOrEqualTo(0, name);
            time.From.Length.ShouldBeGreaterThan(10, name);
        }

        ServiceTimes.Read(kept.ToJson()).ShouldBe(kept);
    }

    [Theory]
    [InlineData("--pods x", "--pods is 'x'; write a whole number from 1 to 1000000.")]
    [InlineData("--pods 0", "--pods is '0'; write a whole number from 1 to 1000000.")]
    [InlineData("--pods 10 --replicas 0", "--replicas is '0'; write whole numbers from 1 to 1000.")]
    [InlineData("--pods 10 --replicas 3,x", "--replicas is 'x'; write whole numbers.")]
    [InlineData("--pods 10 --rollout 5", "--rollout is '5'; write a time such as 500ms, 5s, 2m or 1h, a day at most.")]
    [InlineData("--pods 10 --hot 101", "--hot is '101'; write a whole number from 0 to 100.")]
    [InlineData("--pods 10 --masters 0", "--masters is '0'; write a whole number from 1 to 1000.")]
    [InlineData("--pods 10 --hostile", "--hostile is of worlds, and --pods asks for the capacity model, which has none.")]
    [InlineData("--databases 3", "'databases' is of the capacity model: say --pods too.")]
    public void What_cannot_be_modelled_is_refused_in_one_line(string words, string refusal) =>
        LoadTestCommands.Create().Parse(["simulate", .. words.Split(' ')]).Errors.ShouldHaveSingleItem().Message.ShouldBe(refusal);

    [Theory]
    [InlineData("--pods 100000")]
    [InlineData("--pods 100000 --replicas 3,10,30 --databases 50 --masters 3 --rollout 60s --seed 7 --hot 20 --warm")]
    [InlineData("--seeds 10 --hostile")]
    public void What_can_be_is_taken(string words) => LoadTestCommands.Create().Parse(["simulate", .. words.Split(' ')]).Errors.ShouldBeEmpty();

    [Theory]
    [InlineData("{}")]
    [InlineData("nothing")]
    [InlineData("""{"takenOn":"x","surprise":1}""")]
    public async Task A_file_that_has_no_service_times_is_refused_in_one_line(string content)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, content, TestContext.Current.CancellationToken);
            using var said = new StringWriter();
            (await LoadTestCommands.Create().Parse(["simulate", "--pods", "10", "--times", file]).InvokeAsync(new() { Error = said }, TestContext.Current.CancellationToken)).ShouldBe(2);
            said.ToString().Trim().Split('\n').ShouldHaveSingleItem().ShouldStartWith("--times: ");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
