using Broker.Tests.Failure;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Two broker processes and a real PostgreSQL: a lease is rotated under applications that only know a Vault client.</summary>
public sealed class RotationOfOthersTests : IDisposable
{
    private const int Pods = 8;

    private readonly string directory = Directory.CreateTempSubdirectory("broker-rotation-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task A_lease_rotates_under_hvac_and_node_vault_and_its_user_is_dropped_and_no_query_fails()
    {
        await using var stage = await Stage.SetAsync(Rotation.Settings(), Cancellation);
        await using var administrator = NpgsqlDataSource.Create(stage.Postgres.AdminConnectionString);
        var stop = Path.Combine(directory, "stop");
        var programs = Task.WhenAll(
            ClientPrograms.PythonAsync("hvac_rotation.py", await ArgumentsAsync(0)), ClientPrograms.NodeAsync("node_vault_rotation.cjs", await ArgumentsAsync(1)));

        await AtWorkAsync(programs, static _ => true);
        var first = (await UsersAtWorkAsync())[0];
        await Rotation.OrderAsync(stage, Cancellation);
        await AtWorkAsync(programs, user => user != first);
        await Eventually.HoldsAsync(async () => !programs.IsCompleted && !await ExistsAsync(first), "the former lease's user is dropped", Cancellation);
        await File.WriteAllTextAsync(stop, "", Cancellation);
        var seen = (await programs).Select(static steps => steps["all"]).ToArray();

        seen.SelectMany(static all => all["failed"]!.AsArray()).ShouldBeEmpty();
        foreach (var all in seen)
        {
            var users = all["users"]!.AsObject().Select(static user => user.Key).ToArray();
            users.ShouldContain(first);
            users.Length.ShouldBe(2, "one user after the other");
        }

        // A half of the pods each.
        async Task<string[]> ArgumentsAsync(int half)
        {
            var tokens = Path.Combine(directory, $"pods-{half}");
            await File.WriteAllLinesAsync(tokens, Enumerable.Range(half * Pods / 2, Pods / 2).Select(pod => stage.Identity.PodToken(pod)), Cancellation);
            return [stage.Brokers[half].Address.AbsoluteUri.TrimEnd('/'), StageSettings.ClusterName, StageSettings.RoleName, tokens, $"{stage.Postgres.Port}", stop];
        }

        Task AtWorkAsync(Task ends, Func<string, bool> on) => Eventually.HoldsAsync(
            async () =>
            {
                if (ends.IsCompleted) throw new InvalidOperationException("The applications have ended.", ends.Exception);
                var users = await UsersAtWorkAsync();
                return users.Count == Pods && users.Distinct().Count() == 1 && on(users[0]);
            },
            "all are at work as one user", Cancellation);

        // Who has asked something within the last five seconds.
        async Task<List<string>> UsersAtWorkAsync()
        {
            await using var command = administrator.CreateCommand("SELECT usename::text FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.05)%' AND usename <> current_user AND state_change > now() - interval '5 s'");
            await using var rows = await command.ExecuteReaderAsync(Cancellation);
            var users = new List<string>();
            while (await rows.ReadAsync(Cancellation)) users.Add(rows.GetString(0));
            return users;
        }

        async Task<bool> ExistsAsync(string user)
        {
            await using var command = administrator.CreateCommand("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)");
            command.Parameters.AddWithValue(user);
            return (bool)(await command.ExecuteScalarAsync(Cancellation))!;
        }
    }
}
