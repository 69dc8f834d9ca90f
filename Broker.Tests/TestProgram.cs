using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Xunit;

namespace Broker.Tests;

/// <summary>Runs a program that a test needs.</summary>
internal static class TestProgram
{
    // Longer than any takes, also on a slow machine at work: only a test that fails anyway waits for it.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    /// <summary>Options of <c>java</c> where it lives for seconds: compiling well, and collecting beside the work, costs more than it brings.</summary>
    public static IReadOnlyList<string> ShortJava { get; } = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

    /// <summary>A folder of the test program, such as <c>Deployment/Schemas</c>.</summary>
    public static string Folder(string folder) => Path.Combine(AppContext.BaseDirectory, folder);

    /// <summary>A folder of the test program without what an earlier run left in it.</summary>
    public static string Emptied(string name)
    {
        var folder = Folder(name);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        return Directory.CreateDirectory(folder).FullName;
    }

    /// <summary>What it printed; what went wrong, and what installs it, is in the exception.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="install">What installs it.</param>
    /// <param name="folder">The folder of the test program in which it runs.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="environment">Variables that it has besides; null: one that it does not have.</param>
    public static async Task<string> RunAsync(
        string program, string[] arguments, string install, string folder = "", string input = "", IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Folder(folder),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>()) start.Environment[name] = value;
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
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(Deadline);
            try
            {
                var (output, errors) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
                await process.WaitForExitAsync(deadline.Token);
                return process.ExitCode == 0 ? await output
                    : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}. {await output} {await errors} If something is missing: {install}");
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end in {Deadline}.");
            }
        }
    }
}
