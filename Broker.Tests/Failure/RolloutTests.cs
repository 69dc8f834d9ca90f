using System.Diagnostics;
using System.Globalization;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>Rollouts of hundreds of pods against three broker processes: every pod really opens what it was promised.</summary>
public sealed class RolloutTests
{
    // As long as a slow and busy machine needs.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    private static readonly IAnsiConsole Silent = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(TextWriter.Null) });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L1_Three_hundred_pods_at_once_on_three_replicas_get_one_user()
    {
        var rollout = new RolloutSettings { Pods = 300, Connections = 1, Hold = TimeSpan.Zero, Deadline = Patience };
        var settings = new StageSettings { MaxConnections = 340, CeilingPercent = 100, Connections = 1, ExpectedHolders = 300 };

        await using var stage = await Stage.SetAsync(settings, Cancellation);
        var result = await RunAsync(rollout, settings, stage);

        result.Faults.ShouldBeEmpty();
        HasUsers(result, 1);
        (result.PodsAtWork, result.ConnectionsRefused).ShouldBe((300, 0));
    }

    [Fact]
    public async Task L1_L10_Three_hundred_pods_that_share_nothing_get_a_user_each_at_the_databases_pace_and_nobody_is_lied_to()
    {
        // So impatient that most of them cannot wait for their turn, and are told it instead.
        var rollout = new RolloutSettings { Pods = 300, Connections = 1, Hold = TimeSpan.Zero, Deadline = Patience, WaitSeconds = 5 };
        var settings = new StageSettings
        {
            MaxConnections = 340,
            CeilingPercent = 100,
            Connections = 1,
            ExpectedHolders = 300,
            Sharing = "Holder",
            UsersPerSecond = 15,
            // A user's end is a lease's life after its turn came, by the ledger's clock.
            CreationStatements = ["INSERT INTO book.made VALUES ('{{name}}', '{{expiration}}')", .. StageSettings.StandardStatements],
        };

        await using var stage = await Stage.SetAsync(settings, Cancellation);
        await using var administrator = NpgsqlDataSource.Create(stage.Postgres.AdminConnectionString);
        await ExecuteAsync(administrator, "CREATE SCHEMA book; CREATE TABLE book.made (name text, at timestamptz)");
        var clock = Stopwatch.StartNew();
        var result = await RunAsync(rollout, settings, stage);
        var waits = clock.Elapsed.TotalSeconds / rollout.WaitSeconds!.Value;
        var made = await MomentsAsync(administrator);

        result.Faults.ShouldBeEmpty();
        HasUsers(result, 300);
        (result.PodsAtWork, made.Count).ShouldBe((300, result.UsersCreated!.Value));
        TooFast(made, settings.UsersPerSecond, settings.Burst).ShouldBeNull();
        result.Refusals.ShouldContainKey("issue-throttled");
        // Once when its turn has come; on a machine slower than the pace, again for each wait that passes while its user is being made.
        result.MostReturns.ShouldBeInRange(1, 2 + (int)waits);
    }

    [Fact]
    public async Task L2_A_rolling_update_with_a_surge_on_a_full_budget_completes()
    {
        var rollout = new RolloutSettings { Pods = 100, Connections = 5, MinConnections = 1, Hold = TimeSpan.Zero, Deadline = Patience, Batch = 0, Surge = 25, WaitSeconds = 30 };
        // What old pods and surge can live with, less the connection that watches: the last of the surge has to wait.
        var settings = new StageSettings { Connections = 5, ExpectedHolders = 100, SurgePercent = 25 };
        settings = settings with { MaxConnections = settings.MaxConnectionsFor(125) };

        await using var stage = await Stage.SetAsync(settings, Cancellation);
        var result = await RunAsync(rollout, settings, stage);

        result.Faults.ShouldBeEmpty();
        result.BrokerCeiling.ShouldBe(125);
        HasUsers(result, 1);
        (result.PodsAtWork, result.ConnectionsRefused).ShouldBe((100, 0));
        result.MostConnectionsAtOnce!.Value.ShouldBeInRange(1, 125);
    }

    // A replica that stands still for seconds, as on a busy machine, loses its attempt to another, and the user that it made is dropped.
    private static void HasUsers(RolloutResult result, int users) => result.UsersCreated!.Value.ShouldBeInRange(users, users + result.IssuesInVain);

    private static async Task<RolloutResult> RunAsync(RolloutSettings rollout, StageSettings settings, Stage stage)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(TimeSpan.FromMinutes(10));
        return await RolloutRun.OnStageAsync(rollout, settings, stage, Silent, TimeProvider.System, bound.Token);
    }

    /// <summary>The first window in which more users' turns came than the pace allows; null: none. Users end at whole seconds: one is allowed.</summary>
    private static string? TooFast(IReadOnlyList<DateTime> made, double perSecond, int burst)
    {
        var slack = TimeSpan.FromSeconds(1);
        for (var first = 0; first < made.Count; first++)
        {
            for (var last = first + burst; last < made.Count; last++)
            {
                var least = TimeSpan.FromSeconds((last - first + 1 - burst) / perSecond) - slack;
                if (made[last] - made[first] < least)
                    return string.Create(CultureInfo.InvariantCulture, $"{last - first + 1} users within {made[last] - made[first]}, from {made[first]:O} on");
            }
        }

        return null;
    }

    private static async Task<IReadOnlyList<DateTime>> MomentsAsync(NpgsqlDataSource administrator)
    {
        await using var command = administrator.CreateCommand("SELECT at FROM book.made ORDER BY at");
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var moments = new List<DateTime>();
        while (await reader.ReadAsync(Cancellation))
            moments.Add(reader.GetDateTime(0));
        return moments;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource administrator, string sql)
    {
        await using var command = administrator.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}
