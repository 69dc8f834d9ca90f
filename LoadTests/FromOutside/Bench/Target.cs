namespace LoadTests.FromOutside.Bench;

/// <summary>One address under load. All targets get the same request headers, a pod's token among them; but for a Vault agent's none.</summary>
/// <param name="Name">For the report.</param>
/// <param name="Method">How it is asked.</param>
/// <param name="Address">Where it is.</param>
/// <param name="Tokens">The pods' tokens, sent in turn; none: requests go without.</param>
/// <param name="Processor">How much processor time whoever serves it has taken since its start.</param>
internal sealed record Target(string Name, HttpMethod Method, Uri Address, IReadOnlyList<string> Tokens, Func<Task<TimeSpan>> Processor)
{
    /// <summary>What each token's requests ask for, in the tokens' order; empty: all for the address as it is.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];
}

/// <summary>What a load brought in one round.</summary>
/// <param name="Requests">Requests answered.</param>
/// <param name="Took">In this time.</param>
/// <param name="P50">The median of their times.</param>
/// <param name="P99">99 of 100 were faster.</param>
/// <param name="Errors">Answers that were not 2xx, and requests without one.</param>
internal sealed record Load(long Requests, TimeSpan Took, TimeSpan P50, TimeSpan P99, long Errors)
{
    /// <summary>The processor time that serving them took: the figure that others who use this machine change least.</summary>
    public TimeSpan Processor { get; init; }
}

/// <summary>Puts a target under load.</summary>
internal interface ILoadGenerator
{
    /// <summary>What it is, for the report.</summary>
    string Name { get; }

    /// <summary>Asks over this many connections at once; each asks again as soon as it is answered, with the tokens in turn.</summary>
    Task<Load> RunAsync(Target target, int connections, TimeSpan duration, CancellationToken cancellation);
}
