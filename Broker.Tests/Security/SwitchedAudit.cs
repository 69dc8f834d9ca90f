using Broker.Core.Audit;

namespace Broker.Tests.Security;

/// <summary>An audit that can be full, now or after some more records, and keeps nothing.</summary>
internal sealed class SwitchedAudit : IAudit
{
    public bool IsFull { get; set; }

    /// <summary>How many more records it takes until it is full; null: any number.</summary>
    public int? Takes { get; set; }

    public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
    {
        if (Takes is 0) IsFull = true;
        Takes = IsFull ? null : Takes - 1;
        return IsFull ? throw new AuditUnavailableException("full", null) : new(true);
    }
}
