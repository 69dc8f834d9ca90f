using System.Collections.Concurrent;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>Two broker processes, a real PgBouncer and a real PostgreSQL: a lease is rotated under pods that never stop to ask.</summary>
public sealed class PoolerRotationTests
{
    private const int Pods = 8, PerPod = 8, PoolSize = 12;

    private readonly ConcurrentDictionary<string, int> answered = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> failed = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task A_lease_rotates_twice_under_load_and_its_first_user_is_dropped_and_no_query_fails() => RotateAsync(2, userList: false);

    [Fact]
    public Task A_lease_rotates_under_load_where_the_pooler_reads_its_users_from_a_list_and_no_query_fails() => RotateAsync(1, userList: true);

    private async Task RotateAsync(int rotations, bool userList)
    {
        var settings = new StageSettings
        {
            MaxConnections = 60,
            CeilingPercent = 100,
            Connections = PerPod,
            ExpectedHolders = Pods,
            Replicas = 2,
            PoolSize = PoolSize,
            UserList = userList,
            UsersPerSecond = 20,
            // A moved holder's former lease ends with the holder's time: a slow machine needs a while to move all clients.
            Configure = static (_, configuration) => configuration["Broker"]!["Roles"]![StageSettings.RoleName]!["HolderTtl"] = "00:01:00",
        };
        await using var stage = await Stage.SetAsync(settings, Cancellation);
        using var door = new BrokerDoor([.. stage.Brokers.Select(broker => broker.Address)], stage.Identity, new() { Connections = PerPod, MinConnections = PerPod, WaitSeconds = 30 });
        await using var administrator = NpgsqlDataSource.Create(stage.Postgres.AdminConnectionString);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var pods = Enumerable.Range(0, Pods).Select(pod => LiveAsync(pod, door, end.Token)).ToArray();

        await UsersAtWorkAsync(1, pods);
        var first = answered.Keys.Single();
        for (var rotation = 1; rotation <= rotations; rotation++)
        {
            await Rotation.OrderAsync(stage, Cancellation);
            await UsersAtWorkAsync(rotation + 1, pods);
            (await ServerConnectionsAsync(stage)).ShouldBeLessThanOrEqualTo(PoolSize, "all users together");
        }

        await Eventually.HoldsAsync(
            async () =>
            {
                FinishedEarly(pods);
                (await ServerConnectionsAsync(stage)).ShouldBeLessThanOrEqualTo(PoolSize);
                await using var command = administrator.CreateCommand($"SELECT count(*)::int FROM pg_roles WHERE rolname = '{first}'");
                return (int)(await command.ExecuteScalarAsync(Cancellation))! == 0;
            },
            "the first lease's user is dropped",
            Cancellation);
        if (userList)
            await Eventually.HoldsAsync(
                async () => (await File.ReadAllTextAsync(stage.PgBouncer!.UserList, Cancellation)) is var list && !list.Contains(first, StringComparison.Ordinal) && list.Contains(atWorkOn[0], StringComparison.Ordinal),
                "it is taken out of the list",
                Cancellation);
        await end.CancelAsync();
        await Task.WhenAll(pods);

        failed.ShouldBeEmpty();
        answered.Count.ShouldBe(rotations + 1, "one user after the other");
    }

    private async Task UsersAtWorkAsync(int users, Task[] pods) => await Eventually.HoldsAsync(
        () =>
        {
            FinishedEarly(pods);
            failed.ShouldBeEmpty();
            // The newest is the one whose queries all pods send.
            return Task.FromResult(answered.Count == users && answered.Values.Min() > Pods * PerPod && atWorkOn.Count == Pods && atWorkOn.Values.Distinct().Count() == 1);
        },
        $"all pods are at work on user {users}",
        Cancellation);

    private readonly ConcurrentDictionary<int, string> atWorkOn = new();

    private static void FinishedEarly(Task[] pods)
    {
        if (pods.FirstOrDefault(pod => pod.IsFaulted) is { } broken) throw broken.Exception!;
    }

    private async Task LiveAsync(int pod, BrokerDoor door, CancellationToken end)
    {
        Grant? first = null;
        await Eventually.HoldsAsync(async () => (first = await door.AskAsync(pod, 0, Cancellation) as Grant) is not null, $"pod {pod} has its grant", Cancellation);
        var grant = first!;
        var clients = new Clients(grant, this);
        await clients.AtWork;
        atWorkOn[pod] = grant.Username;
        while (!end.IsCancellationRequested)
        {
            if (await door.RenewAsync(pod, grant, Cancellation) is Grant renewed)
            {
                if (renewed.Username != grant.Username)
                {
                    var former = clients;
                    clients = new Clients(renewed, this);
                    await clients.AtWork;
                    await former.StopAsync();
                    atWorkOn[pod] = renewed.Username;
                }

                grant = renewed;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }

        await clients.StopAsync();
        await door.ReleaseAsync(pod, grant, Cancellation);
    }

    // As PgBouncer counts them: a session that it closed takes the server a moment.
    private static async Task<int> ServerConnectionsAsync(Stage stage) =>
        int.Parse((await stage.PgBouncer!.ConsoleAsync("SHOW DATABASES", Cancellation)).Split('\n').Single(row => row.StartsWith("app|", StringComparison.Ordinal)).Split('|')[10], null);

    /// <summary>A pod's connections to PgBouncer, each of which asks one thing after the other.</summary>
    private sealed class Clients
    {
        private readonly PoolerRotationTests test;
        private readonly Grant grant;
        private readonly TaskCompletionSource[] atWork = [.. Enumerable.Range(0, PerPod).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))];
        private readonly Task[] running;
        private volatile bool stopped;

        public Clients(Grant grant, PoolerRotationTests test)
        {
            (this.grant, this.test) = (grant, test);
            running = [.. Enumerable.Range(0, PerPod).Select(RunAsync)];
        }

        /// <summary>Each has had an answer, or has failed.</summary>
        public Task AtWork => Task.WhenAll(atWork.Select(one => one.Task));

        public Task StopAsync()
        {
            stopped = true;
            return Task.WhenAll(running);
        }

        private async Task RunAsync(int number)
        {
            try
            {
                var settings = new NpgsqlConnectionStringBuilder(grant.ConnectionString) { Pooling = false, NoResetOnClose = true, Timeout = 120, CommandTimeout = 120 };
                await using var connection = new NpgsqlConnection(settings.ConnectionString);
                await connection.OpenAsync(Cancellation);
                while (!stopped)
                {
                    await using var command = new NpgsqlCommand("SELECT current_user::text FROM pg_sleep(0.05)", connection);
                    (await command.ExecuteScalarAsync(Cancellation)).ShouldBe(grant.Username);
                    test.answered.AddOrUpdate(grant.Username, 1, static (_, count) => count + 1);
                    atWork[number].TrySetResult();
                }
            }
            catch (Exception failure) when (failure is NpgsqlException or ShouldAssertException)
            {
                test.failed.Enqueue($"{grant.Username}: {failure.Message}");
                atWork[number].TrySetResult();
            }
        }
    }
}
