using System.Text.RegularExpressions;

namespace Broker.Core.Ledger.Redis;

/// <summary>Something that Redis does not let its user do.</summary>
/// <param name="Command">The command, as Redis names it.</param>
/// <param name="On">The key, channel or other thing that it was tried on.</param>
/// <param name="Words">Redis' own words.</param>
internal sealed partial record Refused(string Command, string On, string Words)
{
    // The message for a command by itself, and within a script: of Redis 6 and 7.0, and of 7.2, 8 and Valkey.
    private static readonly string[] Signs = ["NOPERM", "The user executing the script can't", "ACL failure in script"];

    /// <summary>Whether this message of Redis means that a right is missing.</summary>
    public static bool IsIn(string words) => Array.Exists(Signs, sign => words.Contains(sign, StringComparison.Ordinal));

    /// <summary>Whether it means that this server takes no writes: it is a replica.</summary>
    public static bool IsReadOnlyIn(string words) => words.Contains("READONLY", StringComparison.Ordinal);

    /// <summary>The missing right that kept the client from connecting, if Redis named it; else null.</summary>
    public static Refused? WhileConnecting(string words) =>
        IsIn(words) && NamedCommand().Match(words) is { Success: true } named ? new(named.Groups[1].Value.ToUpperInvariant(), "the server", words) : null;

    /// <summary>What the user's rules lack.</summary>
    public string RuleIn(string prefix) => Kind switch
    {
        "channel" => $"&{prefix}:*",
        "key" => $"~{prefix}:*",
        _ => "+" + Command.ToLowerInvariant(),
    };

    /// <summary>All of them in words: what is refused, and what to add. Null: nothing is refused.</summary>
    public static string? Describe(IEnumerable<Refused> all, string user, string prefix)
    {
        const int shown = 5;
        var lacking = all.GroupBy(refused => refused.RuleIn(prefix), StringComparer.Ordinal).Select(static rule => (Rule: rule.Key, First: rule.First())).ToArray();
        if (lacking.Length == 0) return null;
        var what = string.Join(", nor ", lacking.Take(shown).Select(static rule => $"{rule.First.Command} on {rule.First.Thing}"));
        var more = lacking.Length > shown ? $", nor {lacking.Length - shown} other commands" : "";
        return $"its user '{user}' in Redis may not use {what}{more}: run ACL SETUSER {user} {string.Join(' ', lacking.Select(static rule => rule.Rule))} on each of its servers (docs/redis.md)";
    }

    private string Thing => Kind.Length > 0 ? $"{Kind} '{On}'" : On;

    // The part of the rules that the message is about.
    private string Kind => Command is "PUBLISH" or "SUBSCRIBE" or "UNSUBSCRIBE" && Words.Contains("channel", StringComparison.Ordinal) ? "channel"
        : Words.Contains(" key", StringComparison.Ordinal) ? "key" : "";

    [GeneratedRegex("no permissions to run the '([^']+)' command")]
    private static partial Regex NamedCommand();
}
