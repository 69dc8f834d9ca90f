using System.Reflection.PortableExecutable;

namespace LoadTests.Servers.LocalServers;

/// <summary>Finds the broker that was built with us.</summary>
internal static class BrokerProgram
{
    /// <summary>Names the <c>broker.dll</c> that is run instead: a published one.</summary>
    public const string Variable = "BROKER_PROGRAM";

    /// <summary>Whether the program is compiled ahead of time, as in the image: its file has native code beside the intermediate language.</summary>
    public static bool IsCompiledAheadOfTime(string program)
    {
        using var file = new PEReader(File.OpenRead(program));
        return file.PEHeaders.CorHeader is { ManagedNativeHeaderDirectory.Size: > 0 };
    }

    /// <summary>The path of <c>broker.dll</c>: what <see cref="Variable"/> names, else in the output of Broker.Api of the same build configuration, else beside this program.</summary>
    /// <exception cref="ServerStartException">It was not built.</exception>
    public static string Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            return File.Exists(named) ? Path.GetFullPath(named) : throw new ServerStartException($"{Variable} names {named}, which is not there.");

        // …/LoadTests/bin/Release/net10.0/ → …/Broker.Api/bin/Release/net10.0/
        var ours = new DirectoryInfo(AppContext.BaseDirectory);
        var configuration = ours.Parent?.Name ?? "Release";
        for (var directory = ours; directory is not null; directory = directory.Parent)
        {
            var built = Path.Combine(directory.FullName, "Broker.Api", "bin", configuration, ours.Name, "broker.dll");
            if (File.Exists(built))
                return built;
        }

        var beside = Path.Combine(ours.FullName, "broker.dll");
        return File.Exists(beside)
            ? beside
            : throw new ServerStartException(
                $"No broker.dll beside this program or in Broker.Api/bin/{configuration}. Build it: dotnet build Broker.sln -c {configuration}");
    }
}
