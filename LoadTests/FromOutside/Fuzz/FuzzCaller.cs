namespace LoadTests.FromOutside.Fuzz;

/// <summary>Somebody whose requests are fuzzed.</summary>
/// <param name="Name">For the result.</param>
/// <param name="Token">Its token; null: nobody.</param>
/// <param name="Roles">Roles it may have: what it is given for them must reach no other caller.</param>
internal sealed record FuzzCaller(string Name, string? Token, params string[] Roles);

/// <summary>What a fuzz run came to.</summary>
/// <param name="Requests">Requests answered.</param>
/// <param name="Statuses">How often each status was answered.</param>
/// <param name="Faults">What must never happen; empty: nothing did.</param>
/// <param name="Slowest">The slowest answer.</param>
/// <param name="Grants">Grants among the answers: a run that gets none has fuzzed a locked door.</param>
internal sealed record FuzzResult(
    long Requests, IReadOnlyDictionary<int, long> Statuses, IReadOnlyList<string> Faults, TimeSpan Slowest, long Grants);
