using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>The duty <c>expire:LEASE</c>: ends a lease whose end has come, or that nobody holds any more.</summary>
internal sealed class ExpireDuty(DutyTools tools, ILogger<ExpireDuty> log) : LeaseDuty(tools)
{
    // A lease that is kept ready may be without holders for any time.
    private static readonly TimeSpan Ever = TimeSpan.FromDays(365);

    public override string Kind => DutyKinds.Expire;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var answer = await Ledger.Leases.ExpireAsync(call.Lease.Database, call.Lease.Id, call.Role.KeepReady ? Ever : call.Role.IdleTtl, cancellation);
        if (answer is ExpireAnswer.Ended ended) log.Moved(call.Lease.Id, call.Lease.Role, ended.State, ended.Why);
        return answer is ExpireAnswer.Later later ? later.Wait : null;
    }
}
