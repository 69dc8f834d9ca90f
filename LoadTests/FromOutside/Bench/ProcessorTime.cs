using System.Diagnostics;
using System.Globalization;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>Processor time that servers have taken since their start.</summary>
internal static class ProcessorTime
{
    public static TimeSpan Of(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.TotalProcessorTime;
    }

    /// <summary>Of everything on this machine since it was started.</summary>
    public static TimeSpan OfMachine()
    {
        // cpu user nice system idle iowait irq softirq steal …, in hundredths of a second.
        var hundredths = Array.ConvertAll(File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..], static word => long.Parse(word, CultureInfo.InvariantCulture));
        return TimeSpan.FromMilliseconds(10 * (hundredths[0] + hundredths[1] + hundredths[2] + hundredths[5] + hundredths[6]));
    }

    public static async Task<TimeSpan> OfAsync(IConnectionMultiplexer redis) => Of(await RedisInfo.ReadAsync(redis, "cpu"));

    /// <summary>Of all servers of a Redis together.</summary>
    public static async Task<TimeSpan> OfAllAsync(IConnectionMultiplexer redis)
    {
        var sum = TimeSpan.Zero;
        foreach (var server in redis.GetServers()) sum += Of(await RedisInfo.ReadAsync(server, "cpu"));
        return sum;
    }

    private static TimeSpan Of(IReadOnlyDictionary<string, string> info)
    {
        return TimeSpan.FromSeconds(Seconds("used_cpu_user") + Seconds("used_cpu_sys"));

        double Seconds(string name) => double.Parse(info[name], CultureInfo.InvariantCulture);
    }
}

/// <summary>What Redis says of itself.</summary>
internal static class RedisInfo
{
    public static async Task<IReadOnlyDictionary<string, string>> ReadAsync(IConnectionMultiplexer redis, string section) => Read(await redis.GetDatabase().ExecuteAsync("INFO", section));

    /// <summary>Of one server of several.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ReadAsync(IServer server, string section) => Read(await server.ExecuteAsync("INFO", section));

    /// <summary>How many decisions all servers of a Redis have taken: each is one script.</summary>
    public static async Task<long> DecisionsAsync(IConnectionMultiplexer redis)
    {
        var sum = 0L;
        foreach (var server in redis.GetServers())
        {
            // cmdstat_evalsha:calls=12,usec=…
            if ((await ReadAsync(server, "commandstats")).TryGetValue("cmdstat_evalsha", out var said)) sum += long.Parse(said.Split('=', ',')[1], CultureInfo.InvariantCulture);
        }

        return sum;
    }

    private static Dictionary<string, string> Read(RedisResult info)
    {
        var text = (string?)info ?? "";
        return text.Split('\n', StringSplitOptions.TrimEntries).Select(line => line.Split(':', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
    }
}
