using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// Three replicas of which the first issues and is killed at a chosen moment. The moments are made, not guessed: every user is
/// created behind a lock of the database that the test can hold.
/// </summary>
internal sealed class DyingReplica : IAsyncDisposable
{
    private const int Rest = 20;
    private const string Held = "SELECT pg_advisory_lock(4711)", LetGo = "SELECT pg_advisory_unlock(4711)";

    private static readonly RolloutSettings Asking = new() { Connections = 1, WaitSeconds = 30 };

    private readonly NpgsqlConnection administrator;
    private readonly IReadOnlyList<BrokerDoor> doors;
    private readonly HttpClient onlooker;
    private readonly TimeProvider time = TimeProvider.System;
    private Task<Grant> first = null!;
    private Task<Grant[]> rest = null!;

    private DyingReplica(Stage stage, NpgsqlConnection administrator)
    {
        Stage = stage;
        this.administrator = administrator;
        doors = [.. stage.Brokers.Select(broker => new BrokerDoor([broker.Address], stage.Identity, Asking))];
        onlooker = new HttpClient { BaseAddress = stage.Brokers[1].Address };
        onlooker.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.OperatorToken());
    }

    public Stage Stage { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<DyingReplica> SetAsync(Action<int, JsonObject>? configure = null, double usersPerSecond = 5)
    {
        var stage = await Stage.SetAsync(
            new()
            {
                MaxConnections = 60,
                CeilingPercent = 100,
                UsersPerSecond = usersPerSecond,
                // After the user is made and before it is committed.
                CreationStatements = [.. StageSettings.StandardStatements, "SELECT pg_advisory_xact_lock_shared(4711)"],
                Configure = configure,
            },
            Cancellation);
        try
        {
            var administrator = new NpgsqlConnection(stage.Postgres.AdminConnectionString + ";Pooling=false");
            await administrator.OpenAsync(Cancellation);
            return new(stage, administrator);
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    /// <summary>A user of the role's is created from now on, but not committed.</summary>
    public Task HoldCreationAsync() => ExecuteAsync(Held);

    public Task LetCreationGoAsync() => ExecuteAsync(LetGo);

    /// <summary>The replica to die is asked first, so that it issues; when it has got to the moment, twenty others ask the rest.</summary>
    public async Task AskAsync(Func<Task<bool>> moment, string what)
    {
        first = GetAsync(0, replica: 0);
        await UntilAsync(moment, what);
        rest = Task.WhenAll(Enumerable.Range(1, Rest).Select(pod => GetAsync(pod, 1 + pod % 2)));
        await UntilAsync(async () => await HoldersAsync() == 1 + Rest, "all to have reserved and to wait");
    }

    public Task KillAsync() => Stage.Brokers[0].KillAsync();

    /// <summary>Everybody has one and the same user, and soon the database has no other. How long it may take, the simulation says by its own clock.</summary>
    public async Task OneLeaseForAllAsync()
    {
        var all = (await rest).Append(await first).Select(grant => grant.Username).Distinct().ToList();
        Assert.Single(all);
        await UntilAsync(async () => (await UsersAsync()).SequenceEqual(all), "the database to have no other user of the role's");
        await UntilAsync(async () => (await LeasesAsync("Issuing", "Active", "Retiring", "Revoking", "Expired", "Unknown")).SequenceEqual(all), "the ledger to know of that one alone");
    }

    /// <summary>Whether a session waits in the middle of creating a user.</summary>
    public async Task<bool> CreatesAsync() =>
        await ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") > 0;

    /// <summary>The role's users in the database.</summary>
    public async Task<IReadOnlyList<string>> UsersAsync() => await ScalarAsync<string[]>(
        "SELECT coalesce(array_agg(rolname::text ORDER BY 1), '{}') FROM pg_roles WHERE rolname LIKE 'b-orders-api-%'");

    /// <summary>User names of the leases in one of the states; an empty one where it is not known.</summary>
    public async Task<IReadOnlyList<string>> LeasesAsync(params string[] states)
    {
        var answer = await onlooker.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/leases", UriKind.Relative), Cancellation);
        return [.. answer!["leases"]!.AsArray()
            .Where(lease => states.Contains(lease!["state"]!.GetValue<string>(), StringComparer.OrdinalIgnoreCase))
            .Select(lease => lease!["username"]?.GetValue<string>() ?? "")];
    }

    /// <summary>One pod gets a user and leaves, and the user is revoked: the next one has to keep the pace.</summary>
    public async Task SpendAUserAsync()
    {
        var spent = await GetAsync(Rest + 1, replica: 1);
        await doors[1].ReleaseAsync(Rest + 1, spent, Cancellation);
        using var answer = await onlooker.PostAsJsonAsync(new Uri($"/api/v1/leases/{spent.Lease}/revoke", UriKind.Relative), new { reason = "a test" }, Cancellation);
        answer.EnsureSuccessStatusCode();
        await UntilAsync(async () => (await UsersAsync()).Count == 0, "the spent user to be gone");
    }

    public static Task UntilAsync(Func<Task<bool>> condition, string what) => Eventually.HoldsAsync(condition, what, Cancellation);

    public async ValueTask DisposeAsync()
    {
        onlooker.Dispose();
        foreach (var door in doors) door.Dispose();
        await administrator.DisposeAsync();
        await Stage.DisposeAsync();
    }

    // As a pod does: it comes back when it was told to, and asks another replica when one is gone.
    private async Task<Grant> GetAsync(int pod, int replica)
    {
        for (var ask = 0; ; ask++)
        {
            switch (await doors[replica].AskAsync(pod, ask, Cancellation))
            {
                case Grant grant:
                    return grant;
                case Refused { RetryAfter: { } wait } refusal when ask < 100:
                    if (refusal.Code == Refused.NoAnswer) replica = 1 + pod % 2;
                    await Task.Delay(wait, time, Cancellation);
                    break;
                case Refused refusal:
                    throw new InvalidOperationException($"Pod {pod} was refused: {refusal.Code}: {refusal.Detail}");
            }
        }
    }

    private async Task<int> HoldersAsync()
    {
        var answer = await onlooker.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/budgets", UriKind.Relative), Cancellation);
        return answer!["budgets"]![0]!["roles"]![0]!["holders"]!.GetValue<int>();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, administrator);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, administrator);
        return (T)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
