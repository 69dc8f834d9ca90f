using System.Globalization;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// Whether Redis keeps what is written: a server that runs out of memory may be set to drop keys (<c>maxmemory-policy</c>,
/// https://redis.io/docs/latest/develop/reference/eviction/), and a ledger without them promises connections twice. The broker's keys have no
/// expiry, so policies that drop only what has one (<c>volatile-…</c>) drop none of them. Read from <c>INFO</c>, since <c>CONFIG</c> is often forbidden.
/// </summary>
internal sealed class RedisServers(RedisConnection redis)
{
    private const int OldestMajor = 6;

    // The client sends INFO itself only for administrators, which would also allow it everything else.
    private const string Info = "return redis.call('INFO', ARGV[1])";

    /// <summary>Checks all connected servers; every primary has to be in order, and a replica should be before it takes over.</summary>
    /// <exception cref="ForbiddenDecisionException">There are only replicas, as while one takes its primary's place.</exception>
    /// <exception cref="RedisException">A server went away meanwhile.</exception>
    public async Task<(string? WhyNot, string? Note)> LookAsync()
    {
        List<string> notes = [];
        var all = Array.FindAll(redis.Database.Multiplexer.GetServers(), static server => server is { IsConnected: true, ServerType: not ServerType.Sentinel });
        if (all.Length > 0 && Array.TrueForAll(all, static server => server.IsReplica))
            throw new ForbiddenDecisionException($"Redis {all[0].EndPoint} is a replica, which takes no writes: the connection string must lead to its primary (docs/redis.md)");
        if (redis.Database.Database > 0 && Array.Find(all, static server => server.ServerType == ServerType.Cluster) is { } member)
            return ($"Redis {member.EndPoint} is in a Cluster, which has only database 0: remove the number from Broker:Ledger:ConnectionString (docs/redis.md)", null);
        foreach (var server in all)
        {
            var info = await InfoAsync(server);
            if (VersionFault(info) is { } old) return ($"Redis {server.EndPoint} {old}", null);
            if (MayEvict(info) is not { } evicts) notes.Add($"whether Redis {server.EndPoint} evicts keys when its memory is full is unknown, because INFO does not say: its maxmemory-policy must be noeviction (docs/redis.md)");
            else if (evicts is { Length: > 0 } policy)
            {
                var fault = $"{server.EndPoint} evicts keys when its memory is full (maxmemory-policy {policy}): set it to noeviction (docs/redis.md)";
                if (!server.IsReplica) return ("Redis " + fault, null);
                notes.Add("the replica of Redis " + fault + ", before it becomes the primary");
            }
        }

        return (null, notes.Count > 0 ? string.Join("; ", notes) : null);
    }

    /// <summary>Which policy drops the ledger's keys; empty: none does; null: it is not known.</summary>
    internal static string? MayEvict(IReadOnlyDictionary<string, string> info)
    {
        if (!info.TryGetValue("maxmemory_policy", out var policy)) return null;
        if (policy == "noeviction" || policy.StartsWith("volatile-", StringComparison.Ordinal)) return "";
        if (!info.TryGetValue("maxmemory", out var most) || !long.TryParse(most, CultureInfo.InvariantCulture, out var bytes)) return null;
        return bytes == 0 ? "" : policy;
    }

    /// <summary>Why the server is too old, in words; null: it is not, or does not say how old it is.</summary>
    internal static string? VersionFault(IReadOnlyDictionary<string, string> info) =>
        info.TryGetValue("redis_version", out var text) && int.TryParse(text.Split('.')[0], CultureInfo.InvariantCulture, out var major) && major < OldestMajor
            ? $"has version {text}: the broker needs {OldestMajor} or newer"
            : null;

    // A server's answer about itself; nothing when it may not be asked.
    private static async Task<IReadOnlyDictionary<string, string>> InfoAsync(IServer server)
    {
        var info = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var section in new[] { "server", "memory" })
        {
            try
            {
                foreach (var line in ((string?)await server.ExecuteAsync("EVAL", Info, 0, section) ?? "").Split('\n'))
                    if (line.Split(':', 2) is [var name, var value]) info[name] = value.Trim();
            }
            catch (Exception e) when (e is RedisServerException or RedisCommandException)
            {
                // It is unknown then, and reported so.
            }
        }

        return info;
    }
}
