namespace Broker.Core.Audit.Unproven;

/// <summary>The record of refusals of unproven callers; disposed of after its writer.</summary>
internal sealed class UnprovenAudit(JsonLinesAudit audit) : IAsyncDisposable
{
    public IAudit Audit => audit;

    public ValueTask DisposeAsync() => audit.DisposeAsync();
}
