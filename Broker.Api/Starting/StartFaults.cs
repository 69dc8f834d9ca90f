using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Microsoft.AspNetCore.Connections;

namespace Broker.Api.Starting;

/// <summary>
/// What keeps the broker from starting, in one line and without a stack trace: it is nearly always a file, a port or an address, and
/// whoever reads it has to mend that.
/// </summary>
internal static class StartFaults
{
    /// <summary>The exit code of a start that came to nothing: configuration, files, ports.</summary>
    public const int ExitCode = 1;

    private static volatile bool hasStarted;

    /// <summary>Runs what serves. A fault before it serves is one line on standard error and <see cref="ExitCode"/>.</summary>
    public static async Task<int> GuardAsync(Func<Task<int>> serve)
    {
        try
        {
            return await serve();
        }
        catch (Exception fault) when (!hasStarted && fault is not HostAbortedException)
        {
            await Console.Error.WriteLineAsync("The broker cannot start: " + Describe(fault));
            return ExitCode;
        }
    }

    /// <summary>
    /// Serves until it is told to stop. When the start comes to nothing, what has been started is stopped before it is disposed of: else
    /// duties that are under way would meet what is gone, and say so.
    /// </summary>
    public static async Task ServeAsync(this WebApplication app)
    {
        await using var _ = app;
        try
        {
            await app.StartAsync();
        }
        catch
        {
            // A service that breaks while others start ends the start: what it met is told, not that the start was ended.
            var broken = app.Services.GetServices<IHostedService>().OfType<BackgroundService>()
                .Select(static service => service.ExecuteTask?.Exception?.InnerException).FirstOrDefault(static fault => fault is not null);
            // Why it did not start is what is told, not what stopping meets.
            await app.StopAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (broken is not null) ExceptionDispatchInfo.Throw(broken);
            throw;
        }

        await app.WaitForShutdownAsync();
    }

    /// <summary>From now on the log speaks for itself. Until then the host and the web server leave telling to us.</summary>
    public static void WatchStart(this WebApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => hasStarted && level >= LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", level => level >= (hasStarted ? LogLevel.Warning : LogLevel.None));
    }

    /// <summary>See <see cref="WatchStart"/>.</summary>
    public static void TellWhenStarted(this WebApplication app) => app.Lifetime.ApplicationStarted.Register(static () => hasStarted = true);

    /// <summary>All that is known, from the outermost to the cause, on one line.</summary>
    internal static string Describe(Exception fault)
    {
        List<string> said = [];
        for (var at = fault; at is not null; at = at.InnerException)
        {
            var text = at.Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');
            if (said.TrueForAll(before => !before.Contains(text, StringComparison.Ordinal))) said.Add(text);
        }

        return string.Join(": ", said) + "." + Mend(fault);
    }

    // As Linux numbers them: .NET has no types for these two.
    private const int NoSpaceLeft = 28, ReadOnlyFileSystem = 30;

    private static string Mend(Exception fault)
    {
        for (var at = fault; at is not null; at = at.InnerException)
        {
            switch (at)
            {
                case AddressInUseException or SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }:
                    return " Another process has the port: end it, or set ASPNETCORE_URLS or Kestrel:Endpoints to another.";
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return " Ports below 1024 need extra rights: use a higher one.";
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable }:
                    return " This machine has no such address: correct ASPNETCORE_URLS or Kestrel:Endpoints.";
                case System.Text.Json.JsonException:
                    return " Correct the file: it is truncated or is not JSON.";
                case FileNotFoundException or DirectoryNotFoundException:
                    return " Is it mounted, and is its path right?";
                case UnauthorizedAccessException:
                    return " Give the broker's user the right to read it.";
                case IOException { HResult: NoSpaceLeft }:
                    return " The disk is full: make room, or put the file elsewhere.";
                case IOException { HResult: ReadOnlyFileSystem }:
                    return " Mount it writable, or put the file elsewhere.";
            }
        }

        return "";
    }
}
