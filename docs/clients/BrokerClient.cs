using System.Data;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Orders.Data;

/// <summary>
/// The application's connections, by a lease of the broker's, which it follows to its end and beyond. When the lease runs out, the
/// user name changes with the password, so there is a data source per lease: new connections come from the newest, and the former one is
/// closed when its work is done.
/// </summary>
/// <param name="broker">A client that has the broker's address.</param>
/// <param name="role">The role to ask for.</param>
/// <param name="token">Reads the pod's token: Kubernetes renews the file, so it is read each time.</param>
/// <param name="log">Logs every move and every failure.</param>
/// <param name="connections">How many connections it wants; null: the role's default.</param>
/// <param name="minConnections">The fewest it accepts: the broker gives more, or asks it to go down, between the two. Null: as many as it wants, or the role's least where it names none.</param>
public sealed class LeasedDataSource(
    HttpClient broker, string role, Func<string> token, ILogger<LeasedDataSource> log, int? connections = null, int? minConnections = null) : IAsyncDisposable
{
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(45); // the broker gives a sign of life every 15 seconds
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan CallWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StartWithin = TimeSpan.FromMinutes(2); // a full database, or a broker that starts, answers before long
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly CancellationTokenSource stop = new();
    private readonly SemaphoreSlim gate = new(1); // held while old connections have to close before new ones open
    private volatile Pool? pool;
    private Grant grant = null!;
    private long told; // the number of the last size it was told
    private long allotment; // the number of the last size it keeps to
    private Task following = Task.CompletedTask;

    /// <summary>Asks for the lease and follows it from then on; call it once, before anything else.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        grant = await BeginAsync(cancellation);
        pool = new(grant);
        log.LogInformation("Has {Connections} connections as {User}", grant.Connections, grant.Credentials!.Username);
        following = FollowAsync();
    }

    /// <summary>An open connection; dispose of it soon, as always.</summary>
    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellation)
    {
        if (pool is null) throw new InvalidOperationException("StartAsync comes first.");
        await gate.WaitAsync(cancellation);
        var from = pool;
        from.Enter();
        gate.Release();
        try
        {
            return await from.OpenAsync(cancellation);
        }
        catch
        {
            from.Leave();
            throw;
        }
    }

    /// <summary>Gives the connections back at once; if that does not get through, they come free by themselves.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await following;
        if (pool is { } last)
        {
            await last.Source.DisposeAsync();
            try
            {
                using var released = await CallAsync(HttpMethod.Delete, $"/api/v1/holders/{grant.Holder.Id}", CancellationToken.None);
            }
            catch (Exception failure)
            {
                log.LogWarning("Could not release: {Why}", failure.Message);
            }
        }

        stop.Dispose();
        gate.Dispose();
    }

    private async Task FollowAsync()
    {
        var pause = TimeSpan.FromSeconds(1);
        while (!stop.IsCancellationRequested)
        {
            var (began, wanted) = (Environment.TickCount64, TimeSpan.Zero);
            try
            {
                await WatchAsync();
                log.LogInformation("The broker ended the watch; watching again");
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                // Whatever fails, even reading the token's file, it keeps following the lease.
                log.LogWarning("{Why}; the connections go on meanwhile", failure.Message);
                wanted = (failure as Refused)?.RetryAfter ?? TimeSpan.Zero;
                if (failure is Refused { StatusCode: HttpStatusCode.NotFound })
                {
                    var (again, after) = await ClaimAgainAsync();
                    if (again)
                    {
                        pause = TimeSpan.FromSeconds(1);
                        continue;
                    }

                    wanted = after;
                }
            }

            if (Environment.TickCount64 - began > LongestPause.TotalMilliseconds) pause = TimeSpan.FromSeconds(1);
            var spread = pause * (0.5 + Random.Shared.NextDouble() / 2);
            await Task.Delay(spread > wanted ? spread : wanted, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    // The first claim waits until there is a grant; a caller that may not have one is told so at once.
    private async Task<Grant> BeginAsync(CancellationToken cancellation)
    {
        for (var end = Environment.TickCount64 + StartWithin.TotalMilliseconds; ;)
        {
            var wait = TimeSpan.FromSeconds(1);
            try
            {
                return await ClaimAsync(cancellation);
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested && Environment.TickCount64 < end
                && failure is not Refused { StatusCode: < HttpStatusCode.InternalServerError, RetryAfter: null })
            {
                log.LogWarning("Cannot claim yet: {Why}", failure.Message);
                wait = (failure as Refused)?.RetryAfter ?? wait;
            }

            await Task.Delay(wait, cancellation);
        }
    }

    // The holder has ended: it claims again. It usually gets the same lease, and then its connections stay.
    private async Task<(bool Done, TimeSpan RetryAfter)> ClaimAgainAsync()
    {
        try
        {
            var next = await ClaimAsync(stop.Token);
            (told, allotment) = (0, 0); // a new holder begins with 0
            if (next.Lease.Id != grant.Lease.Id) await MoveToAsync(next, TimeSpan.Zero);
            else await ResizeAsync(next);
            log.LogInformation("Has a new holder of {User}", grant.Credentials!.Username);
            return (true, default);
        }
        catch (Exception refused) when (!stop.IsCancellationRequested)
        {
            log.LogWarning("Cannot claim again: {Why}", refused.Message);
            return (false, (refused as Refused)?.RetryAfter ?? TimeSpan.Zero);
        }
        catch (OperationCanceledException)
        {
            return (false, default);
        }
    }

    // Server-sent events: the broker renews the holder while we listen, and says at once when to move.
    private async Task WatchAsync()
    {
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        quiet.CancelAfter(Silence);
        using var answer = await CallAsync(HttpMethod.Get, $"/api/v1/holders/{grant.Holder.Id}/watch?{InUse}", quiet.Token);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(quiet.Token));
        var kind = "";
        while (await lines.ReadLineAsync(quiet.Token) is { } line)
        {
            quiet.CancelAfter(Silence);
            if (line.StartsWith("event: ", StringComparison.Ordinal)) kind = line["event: ".Length..];
            if (!line.StartsWith("data: ", StringComparison.Ordinal)) continue;
            var data = line["data: ".Length..];
            if (kind == "ending") throw new Refused(HttpStatusCode.NotFound, JsonSerializer.Deserialize<Problem>(data, Json)!.Detail, null);
            await TakeAsync(JsonSerializer.Deserialize<Grant>(data, Json)!);
        }
    }

    // Tells the broker what it uses: the lease, and the number of the size it keeps to. So it can be asked to go down, and be given more.
    private string InUse => $"lease={grant.Lease.Id}&allotment={allotment}";

    private async Task TakeAsync(Grant renewed)
    {
        // Answers of watching and renewing can overtake each other: it ignores a size that is older than the last.
        if (renewed.Allotment < told) return;
        told = renewed.Allotment ?? told;
        var keeps = renewed.Rotate && renewed.Lease.Id != grant.Lease.Id
            ? await MoveToAsync(renewed, TimeSpan.FromSeconds(renewed.OverlapSeconds ?? 0))
            : await ResizeAsync(renewed with { Credentials = grant.Credentials });
        if (!keeps || told == allotment) return;

        // No more are open than it was told, and it confirms that: the broker then gives the others to waiting claims.
        allotment = told;
        using var answer = await CallAsync(HttpMethod.Post, $"/api/v1/holders/{grant.Holder.Id}/renew?{InUse}", stop.Token);
        await TakeAsync((await answer.Content.ReadFromJsonAsync<Grant>(Json, stop.Token))!);
    }

    private async Task<bool> ResizeAsync(Grant renewed)
    {
        if (renewed.Connections != grant.Connections) log.LogInformation("Has {Connections} connections now", renewed.Connections);
        grant = renewed;
        return await pool!.ResizeAsync(renewed.Connections, CallWithin, stop.Token);
    }

    // Running work finishes on the old connections; where both may not be open at once, new work waits for it.
    private async Task<bool> MoveToAsync(Grant next, TimeSpan overlap)
    {
        log.LogInformation("Moves from {Old} to {User}, {Connections} connections", grant.Credentials!.Username, next.Credentials!.Username, next.Connections);
        await gate.WaitAsync(stop.Token);
        try
        {
            var old = pool!;
            var closed = overlap > TimeSpan.Zero || await old.CloseAsync(CallWithin, stop.Token);
            (pool, grant) = (new(next), next);
            if (overlap > TimeSpan.Zero) _ = old.CloseAsync(overlap, stop.Token);
            return closed;
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<Grant> ClaimAsync(CancellationToken cancellation)
    {
        // Waits in line up to 20 seconds when the database has no connections free.
        using var wants = JsonContent.Create(new { connections, minConnections }, options: Json);
        using var answer = await CallAsync(HttpMethod.Post, $"/api/v1/roles/{role}/credentials", cancellation, "wait=20", wants);
        return (await answer.Content.ReadFromJsonAsync<Grant>(Json, cancellation))!;
    }

    private async Task<HttpResponseMessage> CallAsync(HttpMethod method, string path, CancellationToken cancellation, string? preference = null, HttpContent? content = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token().Trim());
        if (preference is not null) request.Headers.Add("Prefer", preference);
        using var within = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        within.CancelAfter(CallWithin);
        var answer = await broker.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, within.Token);
        if (answer.IsSuccessStatusCode) return answer;
        using (answer)
        {
            var text = await answer.Content.ReadAsStringAsync(within.Token);
            var problem = text.StartsWith('{') ? JsonSerializer.Deserialize<Problem>(text, Json) : null;
            throw new Refused(answer.StatusCode, problem?.Detail ?? $"the broker answered {(int)answer.StatusCode}", answer.Headers.RetryAfter?.Delta);
        }
    }

    private sealed class Refused(HttpStatusCode status, string detail, TimeSpan? retryAfter) : HttpRequestException(detail, null, status)
    {
        public TimeSpan? RetryAfter { get; } = retryAfter;
    }

    // The connections of one lease. Npgsql's pool cannot be resized, so it is large, and a place has to be taken for each connection.
    private sealed class Pool(Grant grant) : IAsyncDisposable
    {
        private readonly SemaphoreSlim places = new(grant.Connections);
        private int size = grant.Connections;
        private int users;

        public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(grant.Credentials!.Drivers["npgsql"]) { MaxPoolSize = 1000 }.ConnectionString);

        public void Enter() => Interlocked.Increment(ref users);

        public void Leave() => Interlocked.Decrement(ref users);

        public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellation)
        {
            await places.WaitAsync(cancellation);
            try
            {
                var connection = await Source.OpenConnectionAsync(cancellation);
                var left = 0;
                connection.StateChange += (_, change) =>
                {
                    if (change.CurrentState is not ConnectionState.Closed || Interlocked.Exchange(ref left, 1) != 0) return;
                    places.Release();
                    Leave();
                };
                return connection;
            }
            catch
            {
                places.Release();
                throw;
            }
        }

        // Grows at once; shrinks as soon as enough are unused. False: they were not in time.
        public async Task<bool> ResizeAsync(int to, TimeSpan within, CancellationToken cancellation)
        {
            if (to > size) places.Release(to - size);
            var end = Environment.TickCount64 + (long)within.TotalMilliseconds;
            for (size = Math.Max(size, to); size > to; size--)
            {
                if (!await places.WaitAsync(TimeSpan.FromMilliseconds(Math.Max(0, end - Environment.TickCount64)), cancellation)) return false;
                if (size == to + 1) Source.Clear(); // the connections in use reach the limit: the idle ones go
            }

            return true;
        }

        // Closes it when none of its connections is in use, or its time is over. Returns whether none was.
        public async Task<bool> CloseAsync(TimeSpan within, CancellationToken cancellation)
        {
            var end = Environment.TickCount64 + (long)within.TotalMilliseconds;
            while (Volatile.Read(ref users) > 0 && Environment.TickCount64 < end && !cancellation.IsCancellationRequested)
                await Task.Delay(20, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var idle = Volatile.Read(ref users) == 0;
            await DisposeAsync();
            return idle;
        }

        public ValueTask DisposeAsync() => Source.DisposeAsync();
    }

    private sealed record Grant(bool Rotate, int? OverlapSeconds, Lease Lease, Holder Holder, int Connections, long? Allotment, Credentials? Credentials);

    private sealed record Lease(string Id);

    private sealed record Holder(string Id);

    private sealed record Credentials(string Username, IReadOnlyDictionary<string, string> Drivers);

    private sealed record Problem(string Detail);
}
