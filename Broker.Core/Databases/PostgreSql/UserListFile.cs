using System.Text;
using System.Text.RegularExpressions;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// PgBouncer's file of users (<c>auth_file</c>): the lines of others, and below a mark the users that the broker keeps there. It is replaced as
/// a whole, and by one writer at a time, even among hosts: its lock is a file beside it. The broker does not make the file, because its maker
/// decides by its rights who may read it; only its owner and its group ever may. Format:
/// https://www.pgbouncer.org/config.html#authentication-file-format.
/// </summary>
internal sealed partial class UserListFile(string path, TimeProvider time)
{
    private const string Mark = "; Below this line the broker keeps the users of its leases.";
    private const UnixFileMode OfOwner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OfAll = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
    private static readonly FileStreamOptions Locked = Options(FileMode.OpenOrCreate, FileAccess.ReadWrite);
    private static readonly FileStreamOptions New = Options(FileMode.CreateNew, FileAccess.Write);
    private static readonly TimeSpan LockWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TryAgain = TimeSpan.FromMilliseconds(20);

    /// <summary>Replaces the users that the broker keeps there; it writes nothing when they are the same.</summary>
    /// <param name="following">Makes the new users, verifiers by name, from the present ones. Nobody else changes the file meanwhile.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Whether anything was written.</returns>
    /// <exception cref="DatabaseException">The file cannot be read or written.</exception>
    public async Task<bool> ChangeAsync(Func<IReadOnlyDictionary<string, string>, Task<IReadOnlyDictionary<string, string>>> following, CancellationToken cancellation)
    {
        try
        {
            using var alone = await LockAsync(cancellation);
            var (head, there) = Read();
            var users = await following(there);
            if (there.Count == users.Count && users.All(user => there.GetValueOrDefault(user.Key) == user.Value)) return false;
            Write(head, users);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DatabaseException(
                DatabaseFailure.Unavailable,
                $"The pooler's UserList {path} cannot be written: {exception.Message} The file must exist, with the line of the console's user, and the broker must be able to write into its directory.", exception);
        }
    }

    private async Task<FileStream> LockAsync(CancellationToken cancellation)
    {
        var began = time.GetTimestamp();
        if (!File.Exists(path)) throw new FileNotFoundException("there is no such file.");
        while (true)
        {
            try
            {
                return new(path + ".lock", Locked);
            }
            catch (IOException exception) when (exception.GetType() == typeof(IOException) && time.GetElapsedTime(began) < LockWithin)
            {
                // Another process has it. A killed process has it no longer.
                await Task.Delay(TryAgain, time, cancellation);
            }
        }
    }

    private (string Head, Dictionary<string, string> Users) Read()
    {
        var text = File.ReadAllText(path);
        var at = text.IndexOf(Mark, StringComparison.Ordinal);
        var head = at < 0 ? text : text[..at];
        var users = new Dictionary<string, string>(StringComparer.Ordinal);
        if (at >= 0)
            foreach (Match line in User().Matches(text[at..])) users[line.Groups[1].Value.Replace("\"\"", "\"", StringComparison.Ordinal)] = line.Groups[2].Value;
        return (head.Length == 0 || head.EndsWith('\n') ? head : head + "\n", users);
    }

    private void Write(string head, IReadOnlyDictionary<string, string> users)
    {
        var text = new StringBuilder(head).Append(Mark).Append('\n');
        foreach (var (name, verifier) in users.OrderBy(user => user.Key, StringComparer.Ordinal))
            text.Append('"').Append(name.Replace("\"", "\"\"", StringComparison.Ordinal)).Append("\" \"").Append(verifier).Append("\"\n");
        var beside = path + ".new";
        File.Delete(beside); // of a killed process
        using (var file = new FileStream(beside, New))
        {
            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
            file.Flush(flushToDisk: true);
        }

        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(beside, (File.GetUnixFileMode(path) & ~OfAll) | OfOwner);

        // When told to read it again, PgBouncer does so only if the file's metadata has changed, and sees times in whole seconds.
        var (now, last) = (time.GetUtcNow().UtcDateTime, File.GetLastWriteTimeUtc(path).AddSeconds(1));
        File.SetLastWriteTimeUtc(beside, now > last ? now : last);
        File.Move(beside, path, overwrite: true);
    }

    private static FileStreamOptions Options(FileMode mode, FileAccess access)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OfOwner;
        return options;
    }

    [GeneratedRegex("^\"((?:[^\"\\n]|\"\")*)\" \"([^\"\\n]*)\"\\r?$", RegexOptions.Multiline)]
    private static partial Regex User();
}
