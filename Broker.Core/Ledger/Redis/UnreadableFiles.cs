using System.Collections.Concurrent;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Redis;

/// <summary>Logs each file that cannot be read, once a minute: the client tries again twice a second.</summary>
internal sealed class UnreadableFiles(ILogger log)
{
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, TurnOnceIn> turns = new(StringComparer.Ordinal);

    /// <summary>A file could not be read.</summary>
    public void Tell(string file, string why)
    {
        if (turns.GetOrAdd(file, static _ => new(TimeProvider.System)).IsMine(Again)) log.RedisFileUnreadable(file, why);
    }
}
