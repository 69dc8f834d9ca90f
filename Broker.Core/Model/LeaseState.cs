namespace Broker.Core.Model;

/// <summary>
/// The state of a lease. The legal moves between the states are listed once, in <c>Ledger/Scripts/common.lua</c>, where every
/// move is made.
/// </summary>
public enum LeaseState
{
    /// <summary>The intent is written; the issuer has been or is about to be asked.</summary>
    Issuing,

    /// <summary>The login works and takes holders.</summary>
    Active,

    /// <summary>Takes no new holders; those it has may stay to its end.</summary>
    Retiring,

    /// <summary>The user is being dropped.</summary>
    Revoking,

    /// <summary>The database refused to drop the user several times; the broker keeps trying, less often, and the reason says what a DBA can do.</summary>
    RevokeFailed,

    /// <summary>The user is gone. Terminal.</summary>
    Revoked,

    /// <summary>The lease's end came. Its user still has to be dropped, or confirmed gone.</summary>
    Expired,

    /// <summary>Nothing was created. Terminal.</summary>
    Failed,

    /// <summary>The issuer's answer was lost: a user may exist. It is looked for and revoked.</summary>
    Unknown,
}
