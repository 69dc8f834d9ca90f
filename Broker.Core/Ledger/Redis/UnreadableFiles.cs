using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Redis;

/// <summary>Says of each file that it cannot be read, once a minute: the client tries again twice a second.</summary>
internal sealed class UnreadableFiles(ILogger log)
{
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, long> said = new(StringComparer.Ordinal);

    /// <summary>A file could not be read.</summary>
    public void Tell(string file, string why)
    {
        var now = Stopwatch.GetTimestamp();
        if (said.TryGetValue(file, out var last) && Stopwatch.GetElapsedTime(last, now) < Again) return;
        said[file] = now;
        log.RedisFileUnreadable(file, why);
    }
}
