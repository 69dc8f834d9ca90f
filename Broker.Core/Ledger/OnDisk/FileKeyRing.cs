using Broker.Core.Ledger.Sealing;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>The sealing keys in a file beside the ledger's, one a line: a command reads them while the broker works on the ledger.</summary>
/// <param name="ledger">The ledger's file.</param>
/// <param name="code">The key of the codes; never in the file.</param>
/// <param name="log">Names invalid elements.</param>
internal sealed class FileKeyRing(string ledger, byte[] code, ILogger<FileKeyRing> log) : CodedKeyRing(ledger + "-keys", code, log, settling: TimeSpan.Zero, TimeProvider.System)
{
    private readonly string path = ledger + "-keys";

    protected override IEnumerable<string> Read() => Guarded(() => File.Exists(path) ? File.ReadAllLines(path) : []).Where(static line => line.Length > 0);

    protected override void Append(string text) => Guarded(() =>
    {
        var options = new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);

        // Ends a line that a killed broker left half written.
        file.Write(System.Text.Encoding.UTF8.GetBytes((file.Position > 0 ? "\n" : "") + text + "\n"));
        file.Flush(flushToDisk: true);
        return 0;
    });

    private T Guarded<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LedgerException($"The sealing keys beside the ledger's file ({path}) cannot be read and written: {e.Message}", e);
        }
    }
}
