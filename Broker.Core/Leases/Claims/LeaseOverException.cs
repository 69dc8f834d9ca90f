using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>A lease came to its end between the ledger's grant and the answer, which would name a user that is being shut out: the claim is to be decided anew.</summary>
/// <param name="lease">The lease.</param>
internal sealed class LeaseOverException(string lease) : LedgerException($"Lease {lease} ended before its user could be allowed more connections.");
