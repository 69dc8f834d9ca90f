using Microsoft.IdentityModel.Tokens;

namespace Broker.Api.Authentication;

/// <summary>The keys an issuer signs with, as fetched once.</summary>
/// <param name="Issuer">The <c>iss</c> its discovery document states; null from a file.</param>
/// <param name="Keys">Its public signing keys.</param>
internal sealed record KeySet(string? Issuer, IReadOnlyList<SecurityKey> Keys)
{
    /// <summary>The key a token names. A token that names none may use the only key of an issuer that has just one.</summary>
    public SecurityKey? Find(string? kid) =>
        string.IsNullOrEmpty(kid)
            ? Keys.Count == 1 ? Keys[0] : null
            : Keys.FirstOrDefault(key => string.Equals(key.KeyId, kid, StringComparison.Ordinal));

    /// <summary>The asymmetric signing keys of a JSON Web Key Set.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static IReadOnlyList<SecurityKey> Parse(string json)
    {
        try
        {
            return [.. new JsonWebKeySet(json).Keys.Where(key => key.Kty is "RSA" or "EC" && key.Use is null or "" or "sig")];
        }
        catch (Exception error) when (error is ArgumentException or System.Text.Json.JsonException)
        {
            throw new InvalidDataException("It is not a JSON Web Key Set.", error);
        }
    }
}

/// <summary>
/// One issuer's keys over time. They are fetched at the first need, again when they get old, and again when a token
/// names a key that is not among them, but no more often than every <c>again</c>, so that forged key ids cannot make the
/// broker hammer its issuer. Fetches are shared by all who wait. The last good keys stay when a fetch fails.
/// </summary>
/// <param name="name">For the log.</param>
/// <param name="fetch">Fetches them; ends by itself within seconds.</param>
/// <param name="old">The age at which they are fetched again.</param>
/// <param name="again">The least time between two fetches for unknown keys.</param>
/// <param name="time">The clock.</param>
/// <param name="log">The log.</param>
internal sealed class SigningKeys(
    string name, Func<Task<KeySet>> fetch, TimeSpan old, TimeSpan again, TimeProvider time, ILogger log)
{
    /// <summary>The least time between a fetch that failed and the next.</summary>
    public static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private volatile KeySet? last;
    private Task? underWay;
    private long fetchedAt;
    private long triedAt;
    private bool tried;
    private volatile bool failed;

    /// <summary>The keys; null when there never were any yet.</summary>
    public async ValueTask<KeySet?> GetAsync(CancellationToken cancellation)
    {
        var had = last;
        if (had is not null && time.GetElapsedTime(Volatile.Read(ref fetchedAt)) < old) return had;
        if (Due(had is null ? AfterFailure : again) is not { } fetching) return last;

        // Old keys are not used before it is known whether they still hold; but nobody waits again for a server that
        // just failed while there is something to go on with.
        if (had is null || !failed) await fetching.WaitAsync(cancellation);
        return last;
    }

    /// <summary>The keys after looking whether there is a new one; the same when that was done a moment ago.</summary>
    public async ValueTask<KeySet?> LookAgainAsync(CancellationToken cancellation)
    {
        if (Due(again) is { } fetching) await fetching.WaitAsync(cancellation);
        return last;
    }

    // The fetch to wait for: the one under way, or a new one when enough time has passed since the last; else none.
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
            var keys = await fetch();
            Volatile.Write(ref fetchedAt, time.GetTimestamp());
            (last, failed) = (keys, false);
            log.KeysFetched(name, keys.Keys.Count);
        }
        catch (Exception error)
        {
            // Whatever the reason, the callers' answer is the same; the reason is for the operator.
            failed = true;
            log.KeysNotFetched(name, last is not null, error);
        }
    }
}
