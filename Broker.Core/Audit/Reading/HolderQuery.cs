using System.Text.Json;

namespace Broker.Core.Audit.Reading;

/// <summary>Who held a database user.</summary>
/// <param name="Holder">The holder's id.</param>
/// <param name="Caller">Issuer and subject of the caller.</param>
/// <param name="PodUid">The UID of its pod; null when it was none.</param>
/// <param name="Role">The role.</param>
/// <param name="Lease">The lease.</param>
/// <param name="Connections">Connections it could open.</param>
/// <param name="From">When it first got the user.</param>
/// <param name="Until">Its end as far as the audit knows.</param>
/// <param name="Ended">How it ended; null when it was due to expire then.</param>
/// <param name="TraceId">The trace of the first grant.</param>
public sealed record HeldUser(
    string Holder, string Caller, string? PodUid, string? Role, string? Lease, int Connections, DateTimeOffset From, DateTimeOffset Until, string? Ended, string? TraceId);

/// <summary>Answers from the audit who held a database user at a time.</summary>
public static class HolderQuery
{
    /// <summary>
    /// What a record begins with by which a client gave up one of its leases and kept others: its holder stays. It names no holder of its own;
    /// earlier versions named one.
    /// </summary>
    internal const string OneOfSeveral = "One of several handles";

    /// <summary>All who held the user then, in the order in which they got it.</summary>
    /// <param name="files">Audit files, of one replica or of several.</param>
    /// <param name="databaseUser">The database user's name.</param>
    /// <param name="at">The time.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static IReadOnlyList<HeldUser> At(IReadOnlyCollection<string> files, string databaseUser, DateTimeOffset at)
    {
        // Replicas write in parallel, so events are first sorted by time.
        var events = files.SelectMany(file => Read(file, databaseUser)).OrderBy(happened => happened.Time).ToList();
        var leases = events.Where(happened => happened.User == databaseUser).Select(happened => happened.Lease).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var holding = new Dictionary<string, HeldUser>(StringComparer.Ordinal);
        foreach (var happened in events)
        {
            if (happened.Time > at && happened.Action is "claim" or "renew") continue;
            switch (happened.Action)
            {
                case "claim" or "renew" when happened.User == databaseUser && happened.Holder is { } holder:
                    holding[holder] = holding.TryGetValue(holder, out var known)
                        ? known with { Until = happened.Until ?? known.Until, Connections = happened.Connections, Ended = null }
                        : new(holder, happened.Caller, happened.PodUid, happened.Role, happened.Lease, happened.Connections,
                            happened.Time, happened.Until ?? happened.Time, null, happened.TraceId);
                    break;
                case "claim" or "renew" when happened.Holder is { } moved:
                    End(holding, moved, happened.Time, "moved to another user");
                    break;
                case "release" or "end" when happened.Holder is { } gone && !happened.Stays:
                    End(holding, gone, happened.Time, happened.Action == "release" ? "released" : "ended by an operator");
                    break;
                case "revoke" when happened.Lease is { } lease && leases.Contains(lease):
                    foreach (var holder in holding.Keys.ToList()) End(holding, holder, happened.Time, "lease revoked");
                    break;
            }
        }

        return [.. holding.Values.Where(held => held.From <= at && held.Until > at).OrderBy(held => held.From)];
    }

    private static void End(Dictionary<string, HeldUser> holding, string holder, DateTimeOffset time, string how)
    {
        if (holding.TryGetValue(holder, out var held) && held.Until > time) holding[holder] = held with { Until = time, Ended = how };
    }

    private static IEnumerable<Happened> Read(string file, string databaseUser)
    {
        foreach (var line in File.ReadLines(file))
        {
            // Most lines of a large audit are irrelevant; only those that can matter are parsed.
            var mayMatter = line.Contains(databaseUser, StringComparison.Ordinal)
                || (line.Contains("\"outcome\":\"granted\"", StringComparison.Ordinal) && line.Contains("\"holderId\":", StringComparison.Ordinal))
                || line.Contains("\"action\":\"revoke\"", StringComparison.Ordinal);
            if (mayMatter && Parse(line) is { } happened) yield return happened;
        }
    }

    private static Happened? Parse(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var root = json.RootElement;
            if (Text(root, "outcome") != "granted" || !root.TryGetProperty("time", out var time) || !time.TryGetDateTimeOffset(out var at)) return null;
            var caller = root.TryGetProperty("caller", out var who) ? who : default;
            return new(
                at,
                Text(root, "action") ?? "",
                Text(root, "holderId"),
                Text(root, "databaseUser"),
                Text(root, "leaseId"),
                Text(root, "role"),
                root.TryGetProperty("connections", out var count) && count.TryGetInt32(out var connections) ? connections : 0,
                root.TryGetProperty("heldUntil", out var end) && end.TryGetDateTimeOffset(out var until) ? until : null,
                $"{Text(caller, "issuer")}: {Text(caller, "subject")}",
                Text(caller, "podUid"),
                Text(root, "traceId"),
                Text(root, "detail")?.StartsWith(OneOfSeveral, StringComparison.Ordinal) == true);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Half a line of a broker that died, or a foreign line; verify reports those.
            return null;
        }
    }

    private static string? Text(JsonElement at, string name) =>
        at.ValueKind == JsonValueKind.Object && at.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private sealed record Happened(
        DateTimeOffset Time, string Action, string? Holder, string? User, string? Lease, string? Role, int Connections, DateTimeOffset? Until,
        string Caller, string? PodUid, string? TraceId, bool Stays);
}
