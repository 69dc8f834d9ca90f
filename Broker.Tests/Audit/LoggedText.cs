using System.Text;
using Broker.Core.Audit;
using Microsoft.Extensions.Logging;

namespace Broker.Tests.Audit;

/// <summary>What the audit logged, as text, besides what another listener hears.</summary>
internal sealed class LoggedText(ILogger<JsonLinesAudit> other, StringBuilder text) : ILogger<JsonLinesAudit>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => other.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (text) text.AppendLine(formatter(state, exception));
        other.Log(logLevel, eventId, state, exception, formatter);
    }
}
