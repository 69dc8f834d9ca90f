using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>A lease as the ledger has it. Times are the ledger's.</summary>
public sealed record LeaseRecord
{
    public required string Id { get; init; }
    public required string Database { get; init; }
    public required string Role { get; init; }
    public required string Pool { get; init; }
    public required LeaseState State { get; init; }

    /// <summary>The database user; empty until it is known.</summary>
    public required string Username { get; init; }

    /// <summary>The issuer's id of the lease; empty until the issuer answered.</summary>
    public required string IssuerId { get; init; }

    /// <summary>The login, sealed; empty until the issuer answered.</summary>
    public required string SealedLogin { get; init; }

    /// <summary>When the intent to issue it was written.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset? IssuedAt { get; init; }
    public required DateTimeOffset? VerifiedAt { get; init; }
    public required DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it is to be renewed with the issuer.</summary>
    public required DateTimeOffset? RenewAt { get; init; }
    public required bool Renewable { get; init; }

    /// <summary>The life it was issued with.</summary>
    public required TimeSpan Life { get; init; }
    public required int Holders { get; init; }
    public required int Connections { get; init; }

    /// <summary>Since when it has had no holder; only of meaning while <see cref="Holders"/> is 0.</summary>
    public required DateTimeOffset? EmptySince { get; init; }
    public required TimeSpan IdleTtl { get; init; }

    /// <summary>Until when the attempt to issue it is believed to be alive.</summary>
    public required DateTimeOffset? AttemptUntil { get; init; }

    /// <summary>Whether the issuer may have been asked.</summary>
    public required bool Begun { get; init; }

    /// <summary>Whether its sessions are to be ended when it is revoked: an operator's order.</summary>
    public required bool Shut { get; init; }

    /// <summary>Holders it takes at most.</summary>
    public required int MaxHolders { get; init; }

    /// <summary>How many connections the database itself lets its user open; null: it does not say no.</summary>
    public required int? Cap { get; init; }

    /// <summary>When that was set last.</summary>
    public required DateTimeOffset? CappedAt { get; init; }

    /// <summary>Why it is in its state, where that needs saying.</summary>
    public required string Reason { get; init; }

    /// <summary>The ledger's time when this was read.</summary>
    public required DateTimeOffset ReadAt { get; init; }
}

/// <summary>A holder as the ledger has it.</summary>
/// <param name="Id">The holder's id.</param>
/// <param name="Caller">Who it is, for people.</param>
/// <param name="Connections">Connections granted.</param>
/// <param name="EndsAt">Its end.</param>
/// <param name="Waiting">It has connections reserved and waits for its login.</param>
public sealed record HolderRecord(string Id, string Caller, int Connections, DateTimeOffset EndsAt, bool Waiting);

/// <summary>A database's budget as the ledger has it. All numbers are connections.</summary>
/// <param name="Now">The ledger's time.</param>
/// <param name="SampledAt">When the connections were counted last; null: never.</param>
/// <param name="Limit">The server's limit.</param>
/// <param name="ReservedForSuperusers">Those that ordinary users never get.</param>
/// <param name="Ceiling">All that may be promised when nobody else uses the database.</param>
/// <param name="Foreign">In use by others.</param>
/// <param name="Capacity">All that may be promised now.</param>
/// <param name="Granted">Promised to holders.</param>
/// <param name="Waiting">Claims in line (not connections).</param>
/// <param name="Roles">By role.</param>
public sealed record BudgetRecord(
    DateTimeOffset Now, DateTimeOffset? SampledAt, int Limit, int ReservedForSuperusers, int Ceiling, int Foreign, int Capacity, int Granted,
    int Waiting, IReadOnlyList<RoleUse> Roles)
{
    /// <summary>What can be granted now.</summary>
    public int Free => Math.Max(0, Capacity - Granted);
}

/// <summary>What a role's holders have.</summary>
/// <param name="Role">The role.</param>
/// <param name="Holders">How many there are.</param>
/// <param name="Connections">Promised to them.</param>
/// <param name="Over">Open beyond that, when the connections were counted last.</param>
public sealed record RoleUse(string Role, int Holders, int Connections, int Over);

/// <summary>A duty taken by this replica until its token runs out.</summary>
/// <param name="Name"><c>KIND</c> or <c>KIND:SUBJECT</c>.</param>
/// <param name="Token">Proves the taking.</param>
/// <param name="Failures">How often it failed in a row.</param>
public sealed record TakenDuty(string Name, string Token, int Failures);

/// <summary>What is due, and how the ledger is.</summary>
/// <param name="Epoch">Another one than before: the ledger has lost something since (law L8).</param>
/// <param name="Taken">The duties, taken.</param>
public sealed record DueAnswer(string Epoch, IReadOnlyList<TakenDuty> Taken);

/// <summary>A duty as the ledger has it.</summary>
/// <param name="Name"><c>KIND</c> or <c>KIND:SUBJECT</c>.</param>
/// <param name="DueAt">When it is due next.</param>
/// <param name="UnderWay">Whether a replica is at it.</param>
/// <param name="Failures">How often it failed in a row.</param>
/// <param name="FailingSince">Since when; null while it does not fail.</param>
/// <param name="Why">What failed last; empty while it does not fail.</param>
public sealed record DutyRecord(string Name, DateTimeOffset DueAt, bool UnderWay, int Failures, DateTimeOffset? FailingSince, string Why);

/// <summary>A user in a database that looks like the broker's and that no lease knows.</summary>
/// <param name="Username">Its name.</param>
/// <param name="FirstSeenAt">When it was found first.</param>
/// <param name="Facts">What was seen of it, as its finder wrote it.</param>
public sealed record LeftoverRecord(string Username, DateTimeOffset FirstSeenAt, string Facts);
