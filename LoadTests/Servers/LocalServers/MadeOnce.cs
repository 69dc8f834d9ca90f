using System.Collections.Concurrent;
using System.Diagnostics;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// Data directories as a database's own program makes them, each kind made once in this process: making one takes a processor almost two seconds,
/// copying it a tenth.
/// </summary>
internal static class MadeOnce
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<string>>> Made = new(StringComparer.Ordinal);

    /// <summary>Copies a data directory to where nothing is yet.</summary>
    /// <param name="kind">What it is made by and for.</param>
    /// <param name="owner">The user whose it is; null: our own.</param>
    /// <param name="make">Makes it in a directory of its own, and returns its path. It is made once for all who ask, whoever of them gives up.</param>
    /// <param name="to">Where the copy is to be.</param>
    /// <exception cref="ServerStartException">It could not be made or copied.</exception>
    public static async Task CopyAsync(string kind, string? owner, Func<PrivateDirectory, Task<string>> make, string to)
    {
        var from = await Made.GetOrAdd(kind, _ => new(() => MakeAsync(kind, owner, make))).Value;
        using var copying = Process.Start("cp", ["--archive", from, to]);
        await copying.WaitForExitAsync();
        if (copying.ExitCode != 0) throw new ServerStartException($"The directory {from} could not be copied to {to}.");
    }

    // It is there until the process ends, and the caretaker removes it.
    private static async Task<string> MakeAsync(string kind, string? owner, Func<PrivateDirectory, Task<string>> make)
    {
        try
        {
            return await make(await PrivateDirectory.CreateAsync("made-once", owner));
        }
        catch
        {
            Made.TryRemove(kind, out _);
            throw;
        }
    }
}
