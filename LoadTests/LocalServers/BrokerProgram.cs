namespace LoadTests.LocalServers;

/// <summary>Finds the broker that was built with us.</summary>
internal static class BrokerProgram
{
    /// <summary>The path of <c>broker.dll</c>: in the output of Broker.Api of the same build configuration, else beside this program.</summary>
    /// <exception cref="ServerStartException">It was not built.</exception>
    public static string Find()
    {
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
