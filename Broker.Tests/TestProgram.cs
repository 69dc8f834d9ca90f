using System.ComponentModel;
using System.Diagnostics;

namespace Broker.Tests;

/// <summary>Runs a program that a test needs.</summary>
internal static class TestProgram
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    /// <summary>A folder of the test program, such as <c>Deployment/Schemas</c>.</summary>
    public static string Folder(string folder) => Path.Combine(AppContext.BaseDirectory, folder);

    /// <summary>What it printed; what went wrong, and what installs it, is in the exception.</summary>
    public static async Task<string> RunAsync(string program, string[] arguments, string install, string folder)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder(folder), RedirectStandardOutput = true, RedirectStandardError = true };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"{program} cannot be started ({e.Message}). Install it: {install}", e);
        }

        using (process)
        {
            using var deadline = new CancellationTokenSource(Deadline);
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
            try
            {
                await process.WaitForExitAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end in {Deadline}.");
            }

            return process.ExitCode == 0 ? await output
                : throw new InvalidOperationException($"{program} {string.Join(' ', arguments[..1])} ended with {process.ExitCode}. {await output} {await errors} If something is missing: {install}");
        }
    }
}
