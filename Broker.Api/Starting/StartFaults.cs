using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Microsoft.AspNetCore.Connections;

namespace Broker.Api.Starting;

/// <summary>
/// Reports what keeps the broker from starting, in one line and without a stack trace: it is nearly always a file, a port or an address that
/// the reader has to correct.
/// </summary>
internal static class StartFaults
{
    /// <summary>The exit code of a failed start: configuration, files, ports.</summary>
    public const int ExitCode = 1;

    private static volatile bool hasStarted;

    /// <summary>Runs the server. A fault before it serves prints one line on standard error and returns <see cref="ExitCode"/>.</summary>
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
    /// Serves until told to stop. When the start fails, what has been started is stopped before it is disposed of: otherwise
    /// running duties would log errors about disposed objects.
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
            // A service that fails while others start cancels the start: its own exception is reported, not the cancellation.
            var broken = app.Services.GetServices<IHostedService>().OfType<BackgroundService>()
                .Select(static service => service.ExecuteTask?.Exception?.InnerException).FirstOrDefault(static fault => fault is not null);
            // The reason for the failed start is reported, not what goes wrong while stopping.
            await app.StopAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (broken is not null) ExceptionDispatchInfo.Throw(broken);
            throw;
        }

        await app.WaitForShutdownAsync();
    }

    /// <summary>From now on the log reports faults. Until then the host and the web server leave that to this class.</summary>
    public static void WatchStart(this WebApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => hasStarted && level >= LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", level => level >= (hasStarted ? LogLevel.Warning : LogLevel.None));
    }

    /// <summary>See <see cref="WatchStart"/>.</summary>
    public static void TellWhenStarted(this WebApplication app) => app.Lifetime.ApplicationStarted.Register(static () => hasStarted = true);

    /// <summary>All messages from the outermost exception to the cause, on one line.</summary>
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

    // Linux error numbers: .NET has no exception types for these two.
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
