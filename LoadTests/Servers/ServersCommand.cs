using System.CommandLine;
using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers;

/// <summary><c>loadtests servers</c>: a private PostgreSQL and Redis to play with, until Ctrl-C.</summary>
internal static class ServersCommand
{
    public static Command Create()
    {
        var maxConnections = new Option<int>("--max-connections")
        {
            Description = "PostgreSQL's max_connections.",
            DefaultValueFactory = _ => 100,
        };
        var command = new Command("servers", "Start a private PostgreSQL and Redis, print how to reach them, and keep them until Ctrl-C.")
        {
            maxConnections,
        };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(maxConnections), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(int maxConnections, CancellationToken cancellation)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = maxConnections }, cancellation);
        await using var redis = await LocalRedis.StartAsync(cancellation: cancellation);
        Console.WriteLine($"PostgreSQL  {postgres.AdminConnectionString}  in {postgres.Directory ?? "a container"}");
        Console.WriteLine($"Redis       {redis.ConnectionString}  in {redis.Directory ?? "a container"}");
        Console.WriteLine("Ctrl-C ends both and removes what they wrote.");
        await Cancelled.ByAsync(cancellation);
        return 0;
    }
}
