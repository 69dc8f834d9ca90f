using Broker.Core.Model;

namespace Broker.Api.Authentication;

/// <summary>How an issuer's keys are kept.</summary>
/// <param name="FetchAfter">The age at which they are fetched again while they remain in use.</param>
/// <param name="WaitAfter">The age from which callers wait for a fetch to confirm them.</param>
/// <param name="GoodFor">The age from which they are no longer trusted.</param>
/// <param name="Again">The shortest time between two fetches for unknown keys.</param>
/// <param name="AfterFailure">The shortest time between a failed fetch and the next.</param>
internal sealed record KeyAges(TimeSpan FetchAfter, TimeSpan WaitAfter, TimeSpan GoodFor, TimeSpan Again, TimeSpan AfterFailure);

/// <summary>
/// One issuer's keys over time. They are fetched at first use, again when they get old, and again when a token
/// names a key that is not among them, but no more often than every <see cref="KeyAges.Again"/>, so that forged key ids cannot make the
/// broker hammer its issuer. All callers that wait share a fetch. When a fetch fails, the last good keys stay until they are
/// <see cref="KeyAges.GoodFor"/> old.
/// </summary>
/// <param name="name">For the log.</param>
/// <param name="fetch">Fetches them; ends by itself within seconds.</param>
/// <param name="ages">How they are kept.</param>
/// <param name="time">The clock.</param>
/// <param name="log">The log.</param>
internal sealed class SigningKeys(string name, Func<Task<KeySet>> fetch, KeyAges ages, TimeProvider time, ILogger log)
{
    /// <summary>The shortest time between a failed fetch of an issuer's keys and the next, while they are needed.</summary>
    public static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private volatile KeySet? last;
    private Task? underWay;
    private long triedAt;
    private bool tried;
    private volatile bool failed;

    /// <summary>The keys; null when there are none that can be trusted.</summary>
    public async ValueTask<KeySet?> GetAsync(CancellationToken cancellation)
    {
        var had = last;
        if (had is not null && Age(had) < ages.FetchAfter) return had;
        var fetching = Due(had is null || failed ? ages.AfterFailure : ages.Again);
        if (had is not null && Age(had) < ages.WaitAfter) return had;

        // While there are usable keys, nobody waits again for a server that has just failed.
        if (fetching is not null && (Believed is null || !failed)) await fetching.WaitAsync(cancellation);
        return Believed;
    }

    /// <summary>The keys as they are known now; old keys are fetched in the background.</summary>
    public KeySet? Peek()
    {
        var had = Believed;
        if (had is null || Age(had) >= ages.FetchAfter) Due(had is null || failed ? ages.AfterFailure : ages.Again);
        return had;
    }

    /// <summary>The keys after a check for new ones; the same when that was done a moment ago.</summary>
    public async ValueTask<KeySet?> LookAgainAsync(CancellationToken cancellation)
    {
        if (Due(ages.Again) is { } fetching) await fetching.WaitAsync(cancellation);
        return Believed;
    }

    /// <summary>
    /// The <c>iss</c> that the issuer's discovery document states; null: not known. While it cannot be fetched, what it last said stands, however long ago.
    /// </summary>
    public string? Stated => last is { } had && (failed || Age(had) < ages.WaitAfter) ? had.Issuer : null;

    /// <summary>Whether they were there when they were last fetched.</summary>
    public bool CanBeHad => last is not null && !failed;

    private KeySet? Believed => last is { } keys && Age(keys) < ages.GoodFor ? keys : null;

    private TimeSpan Age(KeySet keys) => keys.AskedAt.Age(time);

    // The fetch to wait for: the current one, or a new one when enough time has passed since the last; otherwise none.
    private Task? Due(TimeSpan apart)
    {
        lock (gate)
        {
            if (underWay is { IsCompleted: false }) return underWay;
            if (tried && time.GetElapsedTime(triedAt) < apart) return null;
            (tried, triedAt) = (true, time.GetTimestamp());
            return underWay = Task.Run(FetchAsync);
        }
    }

    private async Task FetchAsync()
    {
        try
        {
            // The keys count from the moment of the request, because the answer may take long.
            var at = Moment.Now(time);
            var keys = await fetch();
            (last, failed) = (keys with { AskedAt = at }, false);
            log.KeysFetched(name, keys.Keys.Count);
        }
        catch (Exception error)
        {
            // Whatever the reason, callers get the same answer; the log tells the operator the reason.
            failed = true;
            log.KeysNotFetched(name, Believed is not null, error);
        }
    }
}
