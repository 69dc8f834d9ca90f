using Broker.Core.Audit;

namespace Broker.Tests.Audit;

/// <summary>An audit that keeps what it is given, or is full.</summary>
internal sealed class KeptAudit : IAudit
{
    public List<AuditRecord> Records { get; } = [];

    public bool IsFull { get; set; }

    public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
    {
        if (IsFull) throw new AuditUnavailableException("full");
        Records.Add(record);
        return new(true);
    }
}
