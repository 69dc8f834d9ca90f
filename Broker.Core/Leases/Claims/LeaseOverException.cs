using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>A lease ended between the ledger's grant and the answer, which would name a user that is being shut out: the claim must be decided again.</summary>
/// <param name="lease">The lease.</param>
internal sealed class LeaseOverException(string lease) : LedgerException($"Lease {lease} ended before its user could be allowed more connections.");
