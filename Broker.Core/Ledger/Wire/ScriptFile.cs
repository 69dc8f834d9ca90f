using System.Collections.Concurrent;

namespace Broker.Core.Ledger.Wire;

/// <summary>A file of which scripts consist, as embedded in the assembly.</summary>
/// <param name="Text">All of it.</param>
/// <param name="Parts">Its text, in the parts that a script may leave out.</param>
/// <param name="ReadsPositions">Whether it reads <c>KEYS</c> or <c>ARGV</c> instead of declared names.</param>
internal sealed record ScriptFile(string Text, IReadOnlyList<ScriptPart> Parts, bool ReadsPositions)
{
    // All decisions are made at once, from few files. After that the files are not needed.
    private static readonly WeakReference<ConcurrentDictionary<string, ScriptFile>> Read = new(new(StringComparer.Ordinal));

    /// <summary>The file of this name, which is read and taken apart once for all decisions.</summary>
    public static ScriptFile Of(string name)
    {
        if (!Read.TryGetTarget(out var files)) Read.SetTarget(files = new(StringComparer.Ordinal));
        return files.GetOrAdd(name, static name => With(Decision.Read(name)));
    }

    /// <summary>A file with another text.</summary>
    public static ScriptFile With(string text) =>
        new(text, ScriptNeeds.PartsOf(text), text.Contains("ARGV", StringComparison.Ordinal) || text.Contains("KEYS", StringComparison.Ordinal));
}
