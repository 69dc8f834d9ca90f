using Broker.Core.Catalog;

namespace LoadTests.FromInside.Simulation;

/// <summary>Everything that a seed decides beforehand; the order in which things then happen is decided on the way, by the same seed.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Scene">The servers, roles and clocks.</param>
/// <param name="Steps">What happens to it.</param>
internal sealed record Plan(long Seed, Scene Scene, IReadOnlyList<PlanStep> Steps)
{
    /// <summary>The ledger is in a file, and its process is killed again and again.</summary>
    public bool OnDisk { get; init; }

    /// <summary>Whether a hostile writer is at work: only law L14 is checked then, because the writer may stop the broker.</summary>
    public bool IsHostile => Steps.Any(static step => step is FaultStep { Kind: FaultKind.SomebodyWritesIntoRedis });
}

/// <summary>The servers, roles and clocks of a world.</summary>
internal sealed record Scene
{
    public required int Replicas { get; init; }

    /// <summary>How far each replica's clock is off.</summary>
    public required IReadOnlyList<TimeSpan> ClocksOff { get; init; }

    public required Database Database { get; init; }

    /// <summary>Another one on the same server; null: there is none.</summary>
    public Database? Beside { get; init; }

    /// <summary>All databases, of one server.</summary>
    public IReadOnlyList<Database> Databases => Beside is null ? [Database] : [Database, Beside];

    public required IReadOnlyList<Role> Roles { get; init; }

    public required WaitingSettings Waiting { get; init; }

    public required IssuerManners Manners { get; init; }

    /// <summary>The database's limit, those of it reserved for superusers, and connections of others.</summary>
    public required (int Limit, int Reserved, int Foreign) Connections { get; init; }

    /// <summary>Whether connections carry their holder's name.</summary>
    public bool NamesConnections { get; init; }

    /// <summary>When all faults end.</summary>
    public required TimeSpan CalmAt { get; init; }
}

/// <summary>One thing that happens.</summary>
/// <param name="Number">Names it, for leaving it out.</param>
/// <param name="At">When.</param>
internal abstract record PlanStep(int Number, TimeSpan At);

/// <summary>A pod comes.</summary>
internal sealed record PodStep(int Number, TimeSpan At) : PlanStep(Number, At)
{
    public required string Role { get; init; }

    public required string Account { get; init; }

    public int? Connections { get; init; }

    public int? MinConnections { get; init; }

    public TimeSpan? Wait { get; init; }

    /// <summary>How long it stays.</summary>
    public required TimeSpan Stays { get; init; }

    /// <summary>It goes without a word.</summary>
    public bool Vanishes { get; init; }

    /// <summary>Each time it asks, it asks two replicas at once.</summary>
    public bool AsksTwice { get; init; }

    /// <summary>It leaves when it has waited so long for its first answer.</summary>
    public TimeSpan? LeavesAfter { get; init; }

    /// <summary>It claims again instead of renewing.</summary>
    public bool ClaimsAgain { get; init; }

    /// <summary>It renews this much later than it is told to.</summary>
    public TimeSpan RenewsLate { get; init; }

    /// <summary>It opens all its connections at once.</summary>
    public bool FillsAtOnce { get; init; }

    /// <summary>How it follows the sizes that it is told; null: it keeps the one it got.</summary>
    public Following? Follows { get; init; }
}

/// <summary>How a pod follows sizes.</summary>
/// <param name="ConfirmsAfter">How long it takes to close what is too many, and to say so.</param>
/// <param name="Watches">It listens for sizes beside renewing.</param>
internal sealed record Following(TimeSpan ConfirmsAfter, bool Watches);

/// <summary>What befalls the world.</summary>
internal enum FaultKind
{
    ReplicaCrashes,
    ReplicaFreezes,
    ReplicaIsSlow,
    ReplicaIsCutOff,
    ReplicaStops,
    ClockJumps,
    AuditBreaks,
    LedgerIsDown,
    LedgerStalls,
    LedgerLosesRequests,
    LedgerLosesAnswers,
    LedgerLosesSignals,
    LedgerIsFull,
    LedgerIsEmptied,
    LedgerFailsOver,
    IssuerIsSealed,
    IssuerThrottles,
    IssuerRefuses,
    IssuerIsSlow,
    IssuerLosesAnswers,
    IssuerIsStingy,
    IssuerForgets,
    DatabaseIsDown,
    DatabaseRefusesLogins,
    DatabaseRefusesDrops,
    ForeignersCome,
    LimitShrinks,
    OperatorRotates,
    OperatorRevokes,

    // All seeds draw from those above, some also from those below.
    LedgerReturnsEmpty,
    LedgerReturnsOld,
    LedgerFallsFarBack,
    LedgerFallsBackAmidIssue,
    LedgerFallsBackAmidRotation,
    LedgerIsEmptiedBehindAReplica,
    LedgerClockFallsBack,
    DatabaseIsSlow,
    DatabaseLosesAnswers,
    OperatorSetsCeiling,

    // On its own: where a hostile writer is at work, only law L14 is checked.
    SomebodyWritesIntoRedis,
}

/// <summary>Something befalls the world.</summary>
/// <param name="Number">Names it.</param>
/// <param name="At">When it begins.</param>
/// <param name="Kind">What.</param>
/// <param name="Target">Which one, where there are several.</param>
/// <param name="For">How long.</param>
/// <param name="Amount">How much, 0 to 1.</param>
internal sealed record FaultStep(int Number, TimeSpan At, FaultKind Kind, int Target, TimeSpan For, double Amount) : PlanStep(Number, At)
{
    public override string ToString() => $"{Kind} target {Target} for {For.TotalSeconds:0.0} s amount {Amount:0.00}";
}
