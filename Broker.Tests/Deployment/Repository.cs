using Broker.Core.Catalog;
using Microsoft.Extensions.Configuration;

namespace Broker.Tests.Deployment;

/// <summary>The files that are shipped beside the program.</summary>
internal static class Repository
{
    private static readonly string Root = Find();

    public static string PathOf(string file) => Path.Combine(Root, file);

    public static string Read(string file) => File.ReadAllText(PathOf(file));

    /// <summary>
    /// What the broker would say of a configuration file, with the directories of mounted files replaced by one that has them.
    /// </summary>
    public static CatalogReading ReadConfiguration(string file, string mounted, params string[] mountPoints)
    {
        var text = mountPoints.Aggregate(Read(file), (json, mountPoint) => json.Replace($"\"{mountPoint}/", $"\"{mounted}/"));
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text));
        return CatalogReader.Read(new ConfigurationBuilder().AddJsonStream(stream).Build());
    }

    private static string Find()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Broker.sln")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return directory;
    }
}
