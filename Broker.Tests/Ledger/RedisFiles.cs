namespace Broker.Tests.Ledger;

/// <summary>Files for the broker and for Redis, which runs as its own user.</summary>
internal sealed class RedisFiles : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-redis-files-");

    public RedisFiles() => directory.UnixFileMode |= UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public string Path => directory.FullName;

    /// <summary>Writes a file, also in a directory below, and answers where it is.</summary>
    public string Write(string name, string text)
    {
        var path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => directory.Delete(recursive: true);
}
