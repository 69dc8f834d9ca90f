using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos;

/// <summary>What a misfortune may do, and what is remembered of it for the verdict.</summary>
internal sealed class Scene : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    // A session that the server ended as it stopped is noticed at its next query.
    private static readonly TimeSpan NoticedWithin = TimeSpan.FromSeconds(2);

    private readonly Service service;
    private readonly TimeProvider time;
    private readonly List<(long From, long? Until)> away = [];
    private readonly HttpClient operators;

    public Scene(Stage stage, Service service, Weather weather, Load load, TimeProvider time)
    {
        (Stage, this.service, Weather, Load, this.time) = (stage, service, weather, load, time);
        operators = new HttpClient { Timeout = Patience };
        operators.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.OperatorToken());
    }

    public Stage Stage { get; }

    public Weather Weather { get; }

    /// <summary>The pods that are at work.</summary>
    public Load Load { get; }

    public ChaosSettings Settings => Load.Settings;

    /// <summary>Leases that were ordered to be followed or revoked: one is issued for each.</summary>
    public int Rotations { get; private set; }

    /// <summary>Something happens to a replica until what is answered is disposed of.</summary>
    public IDisposable Lame(int replica) => service.Lame(Stage.Brokers[replica].Address);

    /// <summary>The database is away, or a user is taken away by an operator's order, until what is answered is disposed of.</summary>
    public IDisposable LoginsEnd()
    {
        away.Add((time.GetTimestamp(), null));
        return new Ending(() => away[^1] = (away[^1].From, time.GetTimestamp()));
    }

    /// <summary>Whether logins ended for such a reason at a moment, or just before.</summary>
    public bool WereEnding(long at) => away.Exists(window => window.From <= at && (window.Until is not { } until || time.GetElapsedTime(until, at) < NoticedWithin));

    /// <summary>The load goes on for a while.</summary>
    public Task LastAsync(TimeSpan duration, CancellationToken cancellation) => Task.Delay(duration, time, cancellation);

    /// <summary>Orders a replica to have the role's lease followed by another, so that one is issued; it does that itself.</summary>
    public async Task RotateAsync(int replica, CancellationToken cancellation)
    {
        await OrderAsync(replica, $"/api/v1/roles/{StageSettings.RoleName}/rotate", cancellation);
        Rotations++;
    }

    /// <summary>Orders the lease that takes holders to be revoked, and waits until its user is gone: its holders lose it, and the next one is issued.</summary>
    public async Task RevokeAsync(int replica, CancellationToken cancellation)
    {
        var lease = (await ReadAsync("/api/v1/leases", cancellation))["leases"]!.AsArray().Single(lease => lease!["state"]!.GetValue<string>() == "Active")!;
        await OrderAsync(replica, $"/api/v1/leases/{lease["id"]!.GetValue<string>()}/revoke", cancellation);
        Rotations++;
        var user = lease["username"]!.GetValue<string>();
        await UntilAsync(async () => !(await Weather.UsersAsync(cancellation)).Contains(user), "the revoked user to be gone", cancellation);
    }

    public static Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellation) => Poll.UntilAsync(_ => condition(), Patience, what, cancellation);

    /// <summary>What a replica in good health answers a viewer.</summary>
    public async Task<JsonObject> ReadAsync(string path, CancellationToken cancellation) =>
        (await operators.GetFromJsonAsync<JsonObject>(new Uri(service.Serving[^1], path), cancellation))!;

    /// <summary>Waits until every replica reads in the ledger again.</summary>
    public Task LedgerIsBackAsync(CancellationToken cancellation) => UntilAsync(
        async () =>
        {
            foreach (var broker in Stage.Brokers)
            {
                using var answer = await operators.GetAsync(new Uri(broker.Address, "/api/v1/leases"), cancellation);
                if (!answer.IsSuccessStatusCode) return false;
            }

            return true;
        },
        "every replica to read in the ledger again", cancellation);

    /// <summary>User names of the leases in the states that are meant.</summary>
    public async Task<IReadOnlyList<string>> LeaseUsersAsync(Func<string, bool> isState, CancellationToken cancellation) =>
    [
        .. (await ReadAsync("/api/v1/leases", cancellation))["leases"]!.AsArray()
            .Where(lease => isState(lease!["state"]!.GetValue<string>()))
            .Select(lease => lease!["username"]?.GetValue<string>())
            .OfType<string>(),
    ];

    public void Dispose() => operators.Dispose();

    private async Task OrderAsync(int replica, string path, CancellationToken cancellation)
    {
        using var answer = await operators.PostAsJsonAsync(new Uri(Stage.Brokers[replica].Address, path), new { reason = "chaos" }, cancellation);
        if (!answer.IsSuccessStatusCode) throw new UnexpectedAnswerException($"An order was refused: {await answer.Content.ReadAsStringAsync(cancellation)}");
    }
}
