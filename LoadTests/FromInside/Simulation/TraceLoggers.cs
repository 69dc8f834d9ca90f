using Microsoft.Extensions.Logging;

namespace LoadTests.FromInside.Simulation;

/// <summary>Puts what a replica logs into the trace, when lines are wanted. What it logs as critical is a fault of the broker.</summary>
internal sealed class TraceLoggers(Trace trace, Laws laws, string replica) : ILoggerFactory, ILogger
{
    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= (trace.IsKept ? LogLevel.Information : LogLevel.Critical);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;
        var text = $"{replica} logs: {formatter(state, exception)}{(exception is null ? "" : Environment.NewLine + exception)}";
        trace.Remark(text);
        if (logLevel == LogLevel.Critical) laws.Break("fault", text);
    }

    public void Dispose()
    {
    }
}
