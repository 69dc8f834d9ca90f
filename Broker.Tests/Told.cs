using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Broker.Tests;

/// <summary>Every log line, in order, for a test to read or to show when it fails.</summary>
internal sealed class Told(ConcurrentQueue<string> log, TimeProvider? clock = null) : ILoggerProvider, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        log.Enqueue($"{clock?.GetUtcNow():HH:mm:ss} {formatter(state, exception)}".TrimStart());

    public void Dispose()
    {
    }
}
