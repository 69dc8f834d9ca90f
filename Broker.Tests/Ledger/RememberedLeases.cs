using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Tests.Ledger;

/// <summary>Leases as a replica remembers them, to be put back into a ledger that lost them.</summary>
internal static class RememberedLeases
{
    /// <summary>One of the role 'r' that takes holders, and has none yet.</summary>
    public static RememberedLease Active(string id, string database, DateTimeOffset issued, RoleTerms terms, TimeSpan endsIn) => new(
        new()
        {
            Id = id,
            Database = database,
            Role = "r",
            Pool = "r",
            State = LeaseState.Active,
            Username = "user",
            IssuerId = "ref",
            SealedLogin = "sealed",
            CreatedAt = issued,
            IssuedAt = issued,
            VerifiedAt = issued,
            ExpiresAt = null,
            RenewAt = null,
            Renewable = true,
            Life = TimeSpan.FromHours(1),
            Holders = 0,
            Connections = 0,
            EmptySince = null,
            IdleTtl = terms.IdleTtl,
            AttemptUntil = null,
            Begun = true,
            Shut = false,
            MaxHolders = 9,
            Cap = null,
            CappedAt = null,
            Reason = "",
            ReadAt = issued,
        },
        endsIn,
        issued + endsIn);
}
