namespace Broker.Api.Health;

/// <summary>
/// Whether this replica takes requests: from the moment it has warmed up and everything that a claim needs has worked once, for at least one role, until
/// it shuts down. It then stays ready while Redis, Vault or a
/// database is away, because a clear refusal serves callers better than no answer.
/// </summary>
public sealed class Readiness
{
    private volatile string? missing = "warming up";

    /// <summary>What is missing; null when ready.</summary>
    public string? Missing => missing;

    /// <summary>What some roles still lack while the replica is ready for others; null when nothing is lacking.</summary>
    public string? Note { get; private set; }

    /// <summary>Marks the replica as ready from now on.</summary>
    /// <param name="note">What some roles still lack; null when nothing is lacking.</param>
    public void Ready(string? note = null) => (Note, missing) = (note, null);

    /// <summary>Marks the replica as not ready from now on.</summary>
    public void NotReady(string why) => missing = why;
}
