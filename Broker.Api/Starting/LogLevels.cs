namespace Broker.Api.Starting;

/// <summary>
/// The default log levels: everything that the broker itself logs, and of the framework and libraries only what
/// went wrong. Without it ASP.NET Core and HttpClient write eight lines for each claim.
/// </summary>
internal static class LogLevels
{
    private static readonly Dictionary<string, string?> Defaults = new()
    {
        ["Logging:LogLevel:Default"] = nameof(LogLevel.Information),
        ["Logging:LogLevel:Microsoft"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:Microsoft.Hosting.Lifetime"] = nameof(LogLevel.Information),
        // Anybody can bring these about, as fast as the network allows: the broker says itself what it refused, so many times a minute.
        ["Logging:LogLevel:Microsoft.AspNetCore.Antiforgery"] = nameof(LogLevel.Critical),
        ["Logging:LogLevel:Broker.Api.Authentication.Browser.ProviderHandler"] = nameof(LogLevel.Critical),
        ["Logging:LogLevel:Broker.Api.Authentication.BearerHandler"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:System"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:Polly"] = nameof(LogLevel.Error),
        ["Logging:LogLevel:OpenTelemetry"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:Npgsql"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:MySqlConnector"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:StackExchange"] = nameof(LogLevel.Warning),
    };

    /// <summary>Adds them below every other source, so that any configured level takes precedence.</summary>
    public static void AddLogLevels(this ConfigurationManager configuration) =>
        ((IConfigurationBuilder)configuration).Sources.Insert(0, new Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource { InitialData = Defaults });
}
