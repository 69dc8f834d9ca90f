using System.Data.Common;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Engines;

namespace LoadTests.FromOutside.Chaos;

/// <summary>
/// A pod as it should be: it claims, keeps open what it was granted and works with it, renews, moves to another login when it is told
/// to, closes what its grant covers no more, and leaves. It notes what the database did to it.
/// </summary>
internal sealed class Pod(int number, Load load)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan RenewsEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestMove = TimeSpan.FromSeconds(2);

    private readonly List<Session> open = [];
    private Grant? grant;
    private long renewed;
    private long moveEnds;
    private int asks;

    private TimeProvider Time => load.Time;

    private Engine Engine => load.Settings.Asks.Engine;

    /// <summary>Lives until it is its time or the load ends.</summary>
    public async Task LiveAsync(TimeSpan stays, CancellationToken end)
    {
        var born = Time.GetTimestamp();
        try
        {
            while (!end.IsCancellationRequested && Time.GetElapsedTime(born) < stays)
            {
                if (grant is null) await ClaimAsync(end);
                else if (Time.GetElapsedTime(renewed) > RenewsEvery || grant.RenewAfter < Time.GetElapsedTime(renewed)) await RenewAsync(grant);
                else await WorkAsync(grant);
            }
        }
        finally
        {
            await CloseAsync(_ => true);
        }

        if (grant is { } last) await ReleaseAsync(last);
    }

    private async Task ClaimAsync(CancellationToken end)
    {
        switch (await load.Door.AskAsync(number, asks++, CancellationToken.None))
        {
            case Grant given:
                await TakeAsync(given);
                break;
            case Refused refusal:
                await SleepAsync(refusal.RetryAfter ?? TimeSpan.FromSeconds(1), end);
                break;
        }
    }

    private async Task RenewAsync(Grant had)
    {
        renewed = Time.GetTimestamp();
        switch (await load.Door.RenewAsync(number, had, CancellationToken.None))
        {
            case Grant given:
                await TakeAsync(given);
                break;
            case Refused { Code: "holder-unknown" }:
                // What it has open stays open until it has something new; but it is promised nothing any more.
                grant = null;
                break;
        }
    }

    private async Task TakeAsync(Grant given)
    {
        var overlap = given.Overlap < LongestMove ? given.Overlap : LongestMove;
        if (grant?.Username != given.Username) moveEnds = Time.GetTimestamp() + (long)(overlap.TotalSeconds * Time.TimestampFrequency);
        if (overlap == TimeSpan.Zero) await CloseAsync(session => session.Username != given.Username);
        grant = given;
        renewed = Time.GetTimestamp();
        load.Served();
        await KeepWithinAsync(given);
    }

    private async Task WorkAsync(Grant held)
    {
        if (held.EndsAt <= Time.GetUtcNow())
        {
            // It was not renewed in time: the pod has nothing any more, whatever still works.
            grant = null;
            await CloseAsync(_ => true);
            return;
        }

        await KeepWithinAsync(held);
        while (open.Count(session => session.Username == held.Username) < held.Connections)
        {
            if (!await TryOpenAsync(held)) break;
        }

        foreach (var session in open.ToArray()) await TryQueryAsync(session, held);
        await Task.Delay(Tick, Time);
    }

    // The old login's connections are closed when the time for both is over, and never are there more than were granted.
    private async Task KeepWithinAsync(Grant held)
    {
        if (Time.GetTimestamp() >= moveEnds) await CloseAsync(session => session.Username != held.Username);
        for (var surplus = open.Count(session => session.Username == held.Username) - held.Connections; surplus > 0; surplus--)
        {
            var last = open.FindLast(session => session.Username == held.Username)!;
            await CloseAsync(session => session == last);
        }
    }

    private async Task<bool> TryOpenAsync(Grant held)
    {
        var connection = Engine.Connect(held.ConnectionString, Rollouts.Pod.ApplicationName);
        try
        {
            await connection.OpenAsync(CancellationToken.None);
        }
        catch (DbException refused)
        {
            await connection.DisposeAsync();
            load.Note(new(Harm.Refused, held.Username, refused.SqlState, Text(refused), Time.GetTimestamp()));
            return false;
        }

        load.Opened();
        open.Add(new(held.Username, connection));
        return true;
    }

    private async Task TryQueryAsync(Session session, Grant held)
    {
        try
        {
            await using var query = session.Connection.CreateCommand();
            query.CommandText = Engine.WhoAmIQuery;
            if (await query.ExecuteScalarAsync(CancellationToken.None) as string != session.Username) load.Fault("A pod is not the user it was given.");
            load.Queried();
        }
        catch (DbException died)
        {
            // What its grant covers no more may be ended at any time.
            if (held.EndsAt > Time.GetUtcNow() && (session.Username == held.Username || Time.GetTimestamp() < moveEnds))
                load.Note(new(Harm.Died, session.Username, died.SqlState, Text(died), Time.GetTimestamp()));
            await CloseAsync(one => one == session);
        }
    }

    private async Task ReleaseAsync(Grant last)
    {
        try
        {
            await load.Door.ReleaseAsync(number, last, CancellationToken.None);
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            // Its connections come free when its holder ends.
        }
    }

    private async Task CloseAsync(Func<Session, bool> which)
    {
        foreach (var session in open.Where(which).ToArray())
        {
            open.Remove(session);
            await session.Connection.DisposeAsync();
        }
    }

    private async Task SleepAsync(TimeSpan pause, CancellationToken end) =>
        await Task.Delay(pause, Time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private string Text(DbException exception) => Engine.Refusal(exception) ?? exception.InnerException?.Message ?? exception.Message;

    private sealed record Session(string Username, DbConnection Connection);
}

/// <summary>What the database did to a pod that kept to its grant.</summary>
internal enum Harm
{
    /// <summary>It refused a connection.</summary>
    Refused,

    /// <summary>A connection ended.</summary>
    Died,
}

/// <param name="Harm">What it did.</param>
/// <param name="Username">Whose connection it was.</param>
/// <param name="SqlState">The server's code; null: the server said nothing.</param>
/// <param name="Text">What the server or the driver said.</param>
/// <param name="At">When: a timestamp of the clock.</param>
internal sealed record Incident(Harm Harm, string Username, string? SqlState, string Text, long At);
