using System.Text;
using System.Xml;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;

namespace Broker.Core.Ledger.Sealing;

/// <summary>
/// The sealing keys in a directory, one a file, named as by ASP.NET's own <see cref="FileSystemXmlRepository"/>. That one does not wait for the disk: after a
/// power failure the ledger would have what was sealed, and the directory an empty file in place of its key.
/// </summary>
/// <param name="directory">An existing directory.</param>
internal sealed class DirectoryKeyRing(string directory) : IXmlRepository
{
    /// <inheritdoc/>
    /// <exception cref="IOException">The directory or one of the keys cannot be read; the message names the file.</exception>
    public IReadOnlyCollection<XElement> GetAllElements() => [.. Directory.EnumerateFiles(directory, "*.xml").Select(Read)];

    /// <inheritdoc/>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    public void StoreElement(XElement element, string friendlyName)
    {
        var beside = Path.Combine(directory, $"{Guid.NewGuid():N}.tmp");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using var file = new FileStream(beside, options);
            file.Write(Encoding.UTF8.GetBytes(element.ToString()));
            file.Flush(flushToDisk: true);
            File.Move(beside, Path.Combine(directory, friendlyName + ".xml"));

            // .NET cannot flush a directory. Flushing the file once more makes journalling file systems store its new name too.
            RandomAccess.FlushToDisk(file.SafeFileHandle);
        }
        finally
        {
            File.Delete(beside);
        }
    }

    private static XElement Read(string path)
    {
        try
        {
            return XElement.Load(path);
        }
        catch (XmlException e)
        {
            throw new IOException(
                $"The sealing key {path} is {(new FileInfo(path).Length == 0 ? "empty" : "broken")}: {e.Message} Put its copy back. Without one, remove it: what was sealed with it cannot be opened any more.", e);
        }
    }
}
