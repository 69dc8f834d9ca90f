namespace Broker.Api.Health;

/// <summary>
/// Whether this replica takes requests: once it has warmed up, until it shuts down. It stays ready while Redis, Vault or a
/// database is away, because callers are then better served by a clear refusal than by no answer.
/// </summary>
public sealed class Readiness
{
    private volatile string? missing = "warming up";

    /// <summary>What is missing; null when ready.</summary>
    public string? Missing => missing;

    /// <summary>From now on.</summary>
    public void Ready() => missing = null;

    /// <summary>From now on not.</summary>
    public void NotReady(string why) => missing = why;
}
