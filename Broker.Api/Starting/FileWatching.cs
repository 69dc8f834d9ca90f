namespace Broker.Api.Starting;

/// <summary>
/// A host has so many inotify instances for all processes of one user (128 mostly), and every .NET image runs as the same one. Where
/// none is left, files are looked at every four seconds instead of being watched.
/// </summary>
internal static class FileWatching
{
    private const string Polling = "DOTNET_USE_POLLING_FILE_WATCHER";

    // As many as the configuration's files take.
    private const int Needed = 4;

    /// <summary>To be called before any configuration is read. True: files are polled, because they cannot be watched.</summary>
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
