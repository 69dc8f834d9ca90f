namespace Broker.Core.Audit.Unproven;

/// <summary>The record of refusals of callers that proved nobody: closed behind who writes it.</summary>
internal sealed class UnprovenAudit(JsonLinesAudit audit) : IAsyncDisposable
{
    public IAudit Audit => audit;

    public ValueTask DisposeAsync() => audit.DisposeAsync();
}
