namespace Broker.Api.Health;

/// <summary>
/// Whether this replica takes requests: once it has warmed up and each thing that a claim needs was done once, for one role at least, until
/// it shuts down. It then stays ready while Redis, Vault or a
/// database is away, because callers are then better served by a clear refusal than by no answer.
/// </summary>
public sealed class Readiness
{
    private volatile string? missing = "warming up";

    /// <summary>What is missing; null when ready.</summary>
    public string? Missing => missing;

    /// <summary>What some roles still miss, of a replica that is ready for others; null: nothing.</summary>
    public string? Note { get; private set; }

    /// <summary>From now on.</summary>
    /// <param name="note">What some roles still miss; null: nothing.</param>
    public void Ready(string? note = null) => (Note, missing) = (note, null);

    /// <summary>From now on not.</summary>
    public void NotReady(string why) => missing = why;
}
