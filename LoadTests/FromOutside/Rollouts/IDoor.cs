namespace LoadTests.FromOutside.Rollouts;

/// <summary>Where pods get their logins.</summary>
internal interface IDoor
{
    /// <summary>One request of one pod. <paramref name="ask"/> counts a pod's requests from 0.</summary>
    Task<Answer> AskAsync(int pod, int ask, CancellationToken cancellation);

    /// <summary>The pod is still there.</summary>
    Task<Answer> RenewAsync(int pod, Grant grant, CancellationToken cancellation);

    /// <summary>The pod is gone, its connections are closed.</summary>
    Task ReleaseAsync(int pod, Grant grant, CancellationToken cancellation);
}

/// <summary>A grant or a refusal.</summary>
internal abstract record Answer;

/// <summary>A login and how many connections it may open.</summary>
/// <param name="Username">The database user.</param>
/// <param name="ConnectionString">For the engine's .NET driver.</param>
/// <param name="Connections">Connections promised; from the issuer itself: as many as the pod likes.</param>
/// <param name="Holder">The holder's id; null from the issuer itself.</param>
/// <param name="RenewAfter">When to renew; null: never.</param>
internal sealed record Grant(string Username, string ConnectionString, int Connections, string? Holder, TimeSpan? RenewAfter) : Answer
{
    /// <summary>The lease's id; null from the issuer itself.</summary>
    public string? Lease { get; init; }

    /// <summary>The holder's end as the broker announced it; null from the issuer itself.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    /// <summary>How long a holder that was moved may leave its old connections open; zero: they are closed before new ones are opened.</summary>
    public TimeSpan Overlap { get; init; }
}

/// <summary>No login.</summary>
/// <param name="Code">The broker's refusal code; <c>no-answer</c> when there was no answer.</param>
/// <param name="RetryAfter">When to come back; null: trying again does not help.</param>
/// <param name="Detail">What the broker said.</param>
internal sealed record Refused(string Code, TimeSpan? RetryAfter, string Detail) : Answer
{
    /// <summary>There was no answer: the replica is gone, or going.</summary>
    public const string NoAnswer = "no-answer";
}
