namespace Broker.Api.Starting;

/// <summary>
/// A host has a limited number of inotify instances for all processes of one user (usually 128), and every .NET image runs as the same user. When
/// none is left, files are polled every four seconds instead of being watched.
/// </summary>
internal static class FileWatching
{
    private const string Polling = "DOTNET_USE_POLLING_FILE_WATCHER";

    // As many as the configuration's files need.
    private const int Needed = 4;

    /// <summary>Call before any configuration is read. True when files are polled because they cannot be watched.</summary>
    public static bool PollWhereNeeded()
    {
        if (Environment.GetEnvironmentVariable(Polling) is { Length: > 0 }) return false;
        List<FileSystemWatcher> watchers = [];
        try
        {
            for (var watcher = 0; watcher < Needed; watcher++)
            {
                watchers.Add(new(AppContext.BaseDirectory));
                watchers[^1].EnableRaisingEvents = true;
            }

            return false;
        }
        catch (IOException)
        {
            Environment.SetEnvironmentVariable(Polling, "1");
            return true;
        }
        finally
        {
            watchers.ForEach(static watcher => watcher.Dispose());
        }
    }
}
