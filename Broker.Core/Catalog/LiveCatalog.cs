using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Broker.Core.Catalog;

/// <summary>The outcome of the last reload.</summary>
/// <param name="At">When.</param>
/// <param name="Errors">Why it was refused; empty when its snapshot is in force.</param>
public sealed record CatalogReload(DateTimeOffset At, IReadOnlyList<CatalogError> Errors);

/// <summary>
/// The catalog, kept up to date with the configuration: a valid change replaces the whole snapshot, an invalid
/// change has no effect and is reported. JSON files are watched if they were added with <c>reloadOnChange</c>; on
/// mounted ConfigMaps, which change by swapping symbolic links, set <c>DOTNET_USE_POLLING_FILE_WATCHER=1</c> (looks
/// every 4 s). Files that hold secrets are compared every <see cref="FilesEvery"/>.
/// </summary>
public sealed class LiveCatalog : ICatalog, IDisposable
{
    /// <summary>How long there must be no change before the files are read, because several files rarely change at the same moment.</summary>
    public static readonly TimeSpan QuietFor = TimeSpan.FromMilliseconds(250);

    /// <summary>How often the files that hold secrets are compared.</summary>
    public static readonly TimeSpan FilesEvery = TimeSpan.FromSeconds(30);

    private readonly IConfiguration configuration;
    private readonly TimeProvider time;
    private readonly ILogger<LiveCatalog> log;
    private readonly Lock oneReload = new();
    private readonly ITimer quiet;
    private readonly ITimer files;
    private readonly IDisposable changes;
    private volatile CatalogSnapshot current;
    private volatile CatalogReload? lastReload;
    private IReadOnlyDictionary<string, string> filesRead;
    private readonly (Uri? Authority, string Audience, string? CaFile)? signsIn;
    private bool disposed;

    /// <exception cref="CatalogException">The configuration has mistakes; all of them are named.</exception>
    public LiveCatalog(IConfiguration configuration, TimeProvider time, ILogger<LiveCatalog> log)
    {
        (this.configuration, this.time, this.log) = (configuration, time, log);
        var reading = CatalogReader.Read(configuration);
        var mistakes = Mistakes(reading);
        if (mistakes.Count > 0) throw new CatalogException(mistakes);
        current = reading.Catalog!;
        Settings = reading.Settings!;
        filesRead = Fingerprints(reading.Files);
        signsIn = SignsIn(current);

        quiet = time.CreateTimer(_ => Reload(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        files = time.CreateTimer(_ => LookAtFiles(), null, FilesEvery, FilesEvery);
        changes = ChangeToken.OnChange(configuration.GetReloadToken, () => quiet.Change(QuietFor, Timeout.InfiniteTimeSpan));
    }

    /// <inheritdoc/>
    public event Action<CatalogSnapshot>? Swapped;

    /// <inheritdoc/>
    public CatalogSnapshot Current => current;

    /// <summary>What was fixed at the start.</summary>
    public BrokerSettings Settings { get; }

    /// <summary>The outcome of the last reload; null when there was none yet.</summary>
    public CatalogReload? LastReload => lastReload;

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (oneReload) disposed = true;
        changes.Dispose();
        quiet.Dispose();
        files.Dispose();
    }

    private void Reload()
    {
        lock (oneReload)
        {
            if (disposed) return;
            if (Read() is not { } reading) return;
            filesRead = Fingerprints(reading.Files);

            var errors = Mistakes(reading);
            if (errors.Count > 0)
            {
                foreach (var error in errors) log.ReloadMistake(error.Path, error.Problem, error.Mend);
                log.ReloadRefused(errors.Count);
            }
            else
            {
                if (reading.Settings != Settings) log.NeedsRestart();
                if (SignsIn(reading.Catalog!) != signsIn) log.SignInNeedsRestart(Settings.Page.SignIn!.Issuer);
                current = reading.Catalog!;
                log.Reloaded(current.Databases.Count, current.Roles.Count, current.Issuers.Count);
            }

            lastReload = new CatalogReload(time.GetUtcNow(), errors);
            if (errors.Count == 0) Announce(current);
        }
    }

    // What signing in to the page takes of its issuer, once, when the broker starts; null: nobody signs in by one.
    private (Uri? Authority, string Audience, string? CaFile)? SignsIn(CatalogSnapshot catalog) =>
        Settings.Page.SignIn is { } signIn && catalog.Identity.Issuers.TryGetValue(signIn.Issuer, out var issuer) ? (issuer.Authority, issuer.Audience, issuer.CaFile) : null;

    // An exception in a timer would end the process: an unexpected exception keeps the previous catalog, like every other mistake.
    private CatalogReading? Read()
    {
        try
        {
            return CatalogReader.Read(configuration);
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            var error = new CatalogError("Broker", $"could not be read ({fault.GetType().Name}: {fault.Message})", "Undo the last change, and report this.");
            log.ReloadMistake(error.Path, error.Problem, error.Mend);
            log.ReloadRefused(1);
            lastReload = new CatalogReload(time.GetUtcNow(), [error]);
            return null;
        }
    }

    // A broken file counts as empty, so only its own mistake is reported: all others would only follow from it.
    private IReadOnlyList<CatalogError> Mistakes(CatalogReading reading) =>
        ConfigurationFiles.Broken(configuration) is { Count: > 0 } broken ? broken : reading.Errors;

    private void Announce(CatalogSnapshot snapshot)
    {
        foreach (var listener in Swapped?.GetInvocationList().Cast<Action<CatalogSnapshot>>() ?? [])
        {
            try
            {
                listener(snapshot);
            }
            catch (Exception error)
            {
                // An exception in one listener must not keep the others on the old catalog.
                log.ListenerFailed(error);
            }
        }
    }

    private void LookAtFiles()
    {
        lock (oneReload)
        {
            if (disposed) return;
            var now = Fingerprints(filesRead.Keys);
            if (now.Any(file => filesRead[file.Key] != file.Value)) quiet.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    // Compared by content: on a mounted Secret the file itself is a link that never changes.
    private static Dictionary<string, string> Fingerprints(IEnumerable<string> files) =>
        files.Distinct(StringComparer.Ordinal).ToDictionary(file => file, Fingerprint, StringComparer.Ordinal);

    private static string Fingerprint(string file)
    {
        try
        {
            return Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)));
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Not swallowed: the reload that this difference triggers reports what is wrong with the file.
            return error.GetType().Name;
        }
    }
}
