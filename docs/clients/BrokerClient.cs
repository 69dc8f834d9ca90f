using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Serialization;
using Npgsql;

namespace Orders.Data;

/// <summary>
/// The application's connections, by a lease of the broker's. When the lease gives out, the user name changes with the password, so
/// there is a data source per lease: new connections come from the newest, and the one before is closed when it has drained.
/// </summary>
/// <param name="broker">With the broker's address.</param>
/// <param name="role">The role to ask for.</param>
/// <param name="token">Reads the pod's token: Kubernetes renews the file, so it is read each time.</param>
/// <param name="clock">Tells when to renew.</param>
public sealed class LeasedDataSource(HttpClient broker, string role, Func<string> token, TimeProvider clock) : IAsyncDisposable
{
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource stop = new();
    private volatile NpgsqlDataSource? current;
    private Grant grant = null!;
    private Task renewing = Task.CompletedTask;

    /// <summary>Asks for the lease; call it once, before anything else.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        // Waits in line up to 20 seconds when the database has no connections free.
        grant = await AskAsync($"/api/v1/roles/{role}/credentials", "wait=20", cancellation);
        current = NpgsqlDataSource.Create(grant.Credentials!.AdoNet);
        renewing = RenewForeverAsync();
    }

    /// <summary>An open connection; dispose of it soon, as always.</summary>
    public ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellation) =>
        (current ?? throw new InvalidOperationException("StartAsync comes first.")).OpenConnectionAsync(cancellation);

    /// <summary>Says that we are still here, and moves to another lease when the broker says so.</summary>
    public async Task RenewAsync(CancellationToken cancellation)
    {
        var renewed = await AskAsync($"/api/v1/holders/{grant.Holder.Id}/renew?lease={grant.Lease.Id}", null, cancellation);
        if (renewed.Rotate)
        {
            var old = current!;
            // Mostly both logins' connections may be open for a while; where not, the old ones are closed first.
            if (renewed.OverlapSeconds == 0) await old.DisposeAsync();
            current = NpgsqlDataSource.Create(renewed.Credentials!.AdoNet);
            if (renewed.OverlapSeconds != 0) _ = DrainAsync(old);
        }

        grant = renewed;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await renewing;
        if (current is { } last) await last.DisposeAsync();
        if (grant is not null)
        {
            // Gives the connections back at once; if it does not get through, they come free by themselves.
            using var release = Request(HttpMethod.Delete, $"/api/v1/holders/{grant.Holder.Id}", null);
            try
            {
                using var answer = await broker.SendAsync(release);
            }
            catch (HttpRequestException)
            {
            }
        }

        stop.Dispose();
    }

    private async Task RenewForeverAsync()
    {
        var wait = TimeSpan.FromSeconds(grant.Holder.RenewAfterSeconds);
        while (true)
        {
            try
            {
                await Task.Delay(wait, clock, stop.Token);
                await RenewAsync(stop.Token);
                wait = TimeSpan.FromSeconds(grant.Holder.RenewAfterSeconds);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
            {
                // The connections go on working: the lease has a third of its holder's time left. Keep asking.
                wait = TimeSpan.FromSeconds(5);
            }
        }
    }

    private async Task DrainAsync(NpgsqlDataSource old)
    {
        // Idle connections close now; those in use when they are given back.
        old.Clear();
        await Task.Delay(Drain, clock, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await old.DisposeAsync();
    }

    private async Task<Grant> AskAsync(string path, string? preference, CancellationToken cancellation)
    {
        using var request = Request(HttpMethod.Post, path, preference);
        using var answer = await broker.SendAsync(request, cancellation);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<Grant>(cancellation))!;
    }

    private HttpRequestMessage Request(HttpMethod method, string path, string? preference)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token());
        if (preference is not null) request.Headers.Add("Prefer", preference);
        return request;
    }

    private sealed record Grant(bool Rotate, int? OverlapSeconds, Lease Lease, Holder Holder, Credentials? Credentials);

    private sealed record Lease(string Id);

    private sealed record Holder(string Id, int RenewAfterSeconds);

    private sealed record Credentials([property: JsonPropertyName("adoNet")] string AdoNet);
}
