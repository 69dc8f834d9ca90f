using Broker.Core.Ledger.Wire;
using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>A lease as the ledger has it. Times are the ledger's.</summary>
public sealed record LeaseRecord
{
    public required string Id { get; init; }
    [NotOnWire]
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

    /// <summary>When its turn came to be issued; until then, when the intent to issue it was written.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset? IssuedAt { get; init; }
    public required DateTimeOffset? VerifiedAt { get; init; }
    public required DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it should be renewed with the issuer.</summary>
    public required DateTimeOffset? RenewAt { get; init; }
    public required bool Renewable { get; init; }

    /// <summary>The life it was issued with.</summary>
    public required TimeSpan Life { get; init; }
    public required int Holders { get; init; }
    public required int Connections { get; init; }

    /// <summary>Since when it has had no holder; meaningful only while <see cref="Holders"/> is 0.</summary>
    public required DateTimeOffset? EmptySince { get; init; }
    public required TimeSpan IdleTtl { get; init; }

    /// <summary>Until when the attempt to issue it is believed to be alive.</summary>
    public required DateTimeOffset? AttemptUntil { get; init; }

    /// <summary>Whether the issuer may have been asked.</summary>
    public required bool Begun { get; init; }

    /// <summary>Whether its sessions have to be ended when it is revoked: an operator's order.</summary>
    public required bool Shut { get; init; }

    /// <summary>The most holders that it takes.</summary>
    public required int MaxHolders { get; init; }

    /// <summary>How many connections the database itself lets its user open; null: any number.</summary>
    public required int? Cap { get; init; }

    /// <summary>When that was last set.</summary>
    public required DateTimeOffset? CappedAt { get; init; }

    /// <summary>Whether the database may have been told of a cap that the ledger does not know.</summary>
    public bool IsCapUnknown { get; init; }

    /// <summary>Why it is in its state, if there is something to say.</summary>
    public required string Reason { get; init; }

    /// <summary>How many connections its user may open by a limit of its own, which the broker did not set; null: as many as there are.</summary>
    public int? UserLimit { get; init; }

    /// <summary>The ledger's time when this was read.</summary>
    [NotOnWire]
    public required DateTimeOffset ReadAt { get; init; }
}
