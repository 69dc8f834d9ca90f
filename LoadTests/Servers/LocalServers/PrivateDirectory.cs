using System.Diagnostics;

namespace LoadTests.Servers.LocalServers;

/// <summary>A new temporary directory that only one user may enter; removed when disposed of, and when this process crashes.</summary>
internal sealed class PrivateDirectory : IAsyncDisposable
{
    private readonly string? owner;

    private PrivateDirectory(string path, string? owner)
    {
        Path = path;
        this.owner = owner;
    }

    public string Path { get; }

    /// <param name="purpose">Part of its name.</param>
    /// <param name="owner">The user whose it is; null: our own.</param>
    public static async Task<PrivateDirectory> CreateAsync(string purpose, string? owner)
    {
        // Another user may be unable to enter root's own temporary directory.
        var parent = owner is null ? System.IO.Path.GetTempPath() : "/tmp";
        var path = System.IO.Path.Combine(parent, $"broker-{purpose}-{Guid.NewGuid():N}");
        Caretaker.Mind(path);
        await MakeAsync(path, owner);
        return new PrivateDirectory(path, owner);
    }

    /// <summary>Makes a directory in it, unless it is there.</summary>
    public Task<string> MakeAsync(string name) => MakeAsync(System.IO.Path.Combine(Path, name), owner);

    public async ValueTask DisposeAsync() =>
        await Poll.UntilAsync(
            _ => Task.FromResult(TryRemove()), TimeSpan.FromMinutes(2), $"the removal of {Path}", CancellationToken.None);

    private static async Task<string> MakeAsync(string path, string? owner)
    {
        string[] ownership = owner is null ? [] : ["--owner", owner, "--group", owner];
        using var install = Process.Start("install", ["--directory", "--mode", "700", .. ownership, path]);
        await install.WaitForExitAsync();
        return install.ExitCode == 0
            ? path
            : throw new ServerStartException($"The directory {path} could not be made{(owner is null ? "" : $" for the user {owner}")}.");
    }

    private bool TryRemove()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            // A file went away under our hands, or all of it is gone.
            return !Directory.Exists(Path);
        }
        catch (IOException)
        {
            // A dying process still wrote into it.
            return false;
        }
    }
}
