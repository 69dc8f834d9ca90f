using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Runs clients that others wrote, by small programs of ours that use them as their manuals say.</summary>
internal static class ClientPrograms
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Fronts", "Vault", "Clients");
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);
    private static readonly Lazy<Task> NodeModules = new(InstallAsync);

    /// <summary>Debian's Python, which has <c>python3-hvac</c>; another one on the path may not.</summary>
    public static Task<IReadOnlyDictionary<string, JsonObject>> PythonAsync(string program, params string[] arguments) =>
        StepsAsync("/usr/bin/python3", [Path.Combine(Folder, program), .. arguments], "apt-get install python3-hvac");

    public static async Task<IReadOnlyDictionary<string, JsonObject>> NodeAsync(string program, params string[] arguments)
    {
        await NodeModules.Value;
        return await StepsAsync("node", [Path.Combine(Folder, program), .. arguments], "apt-get install nodejs npm");
    }

    private static async Task InstallAsync() => await RunAsync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], "apt-get install nodejs npm");

    // Each line is a step and what was seen in it.
    private static async Task<IReadOnlyDictionary<string, JsonObject>> StepsAsync(string program, string[] arguments, string install) =>
        (await RunAsync(program, arguments, install)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!.AsObject())
            .ToDictionary(step => (string)step["step"]!, StringComparer.Ordinal);

    private static async Task<string> RunAsync(string program, string[] arguments, string install)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
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
