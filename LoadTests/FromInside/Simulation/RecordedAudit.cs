using Broker.Core.Audit;
using Broker.Core.Model;

namespace LoadTests.FromInside.Simulation;

/// <summary>A replica's audit: keeps what it was told of each trace, or refuses it.</summary>
internal sealed class RecordedAudit : IAudit
{
    public Dictionary<string, RefusalCode?> ByTrace { get; } = new(StringComparer.Ordinal);

    public bool IsBroken { get; set; }

    public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
    {
        if (IsBroken) return ValueTask.FromException<bool>(new AuditUnavailableException("the disk is full"));
        if (record is { TraceId: { } trace, Outcome: not AuditOutcome.Ordered }) ByTrace[trace] = record.Refusal;
        return new(true);
    }
}
