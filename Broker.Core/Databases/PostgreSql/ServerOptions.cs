using System.Text;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The command-line options of a connection string: most are settings of that one session (<c>-c role=dba</c>), some identify the server
/// to hosters' proxies (Neon: <c>endpoint=…</c> or <c>project=…</c>, Supabase: <c>reference=…</c>, CockroachDB:
/// <c>--cluster=…</c>).
/// </summary>
internal static class ServerOptions
{
    /// <summary>The options that identify the server; null: there are none.</summary>
    public static string? OfTheServer(string? options)
    {
        if (options is null) return null;
        var (kept, isValue) = (new List<string>(), false);
        foreach (var word in Words(options))
        {
            // -c takes the next word for its setting, unless it is written in one: -cname=value.
            if (!isValue && (word.StartsWith("--cluster=", StringComparison.Ordinal) || (word[0] != '-' && word.Contains('=', StringComparison.Ordinal)))) kept.Add(word);
            isValue = !isValue && word is "-c";
        }

        return kept.Count == 0 ? null : string.Join(' ', kept);
    }

    // Words as the server splits them: a backslash removes the special meaning of the next character. They are kept as written.
    private static List<string> Words(string options)
    {
        var (words, word) = (new List<string>(), new StringBuilder());
        for (var at = 0; at < options.Length; at++)
        {
            if (!char.IsWhiteSpace(options[at]))
            {
                word.Append(options[at]);
                if (options[at] == '\\' && at + 1 < options.Length) word.Append(options[++at]);
                continue;
            }

            if (word.Length > 0) words.Add(word.ToString());
            word.Clear();
        }

        if (word.Length > 0) words.Add(word.ToString());
        return words;
    }
}
