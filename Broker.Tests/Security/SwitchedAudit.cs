using Broker.Core.Audit;

namespace Broker.Tests.Security;

/// <summary>An audit that can be full, and keeps nothing.</summary>
internal sealed class SwitchedAudit : IAudit
{
    public bool IsFull { get; set; }

    public ValueTask WriteAsync(AuditRecord record, CancellationToken cancellation) => IsFull ? throw new AuditUnavailableException("full", null) : default;
}
