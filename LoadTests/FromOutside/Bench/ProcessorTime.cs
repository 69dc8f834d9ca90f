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

    public static async Task<TimeSpan> OfAsync(IConnectionMultiplexer redis)
    {
        var info = await RedisInfo.ReadAsync(redis, "cpu");
        return TimeSpan.FromSeconds(Seconds("used_cpu_user") + Seconds("used_cpu_sys"));

        double Seconds(string name) => double.Parse(info[name], CultureInfo.InvariantCulture);
    }
}

/// <summary>What Redis says of itself.</summary>
internal static class RedisInfo
{
    public static async Task<IReadOnlyDictionary<string, string>> ReadAsync(IConnectionMultiplexer redis, string section)
    {
        var text = (string?)await redis.GetDatabase().ExecuteAsync("INFO", section) ?? "";
        return text.Split('\n', StringSplitOptions.TrimEntries).Select(line => line.Split(':', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
    }
}
