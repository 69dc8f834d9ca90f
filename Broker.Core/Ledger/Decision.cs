using System.Reflection;
using Broker.Core.Ledger.Wire;

namespace Broker.Core.Ledger;

/// <summary>
/// One decision of the ledger: a Lua script that reads and writes one database's keys atomically. The same script
/// runs inside Redis and inside the process, so each rule is written only once.
/// </summary>
public abstract partial class Decision
{
    private protected Decision(string name, string? first, IReadOnlyList<string> parts, WireShape asked, WireShape answer)
    {
        Name = name;
        string[] before = first is null ? [] : [first + ".lua"];
        Files = ["base.lua", .. before, "common.lua", .. parts.Select(part => part + ".lua"), name + ".lua"];
        foreach (var file in Files.SkipLast(1))
        {
            if (ScriptFile.Of(file).ReadsPositions)
                throw new InvalidOperationException($"The ledger's script {file} reads KEYS or ARGV; it must use the declared names.");
        }

        ScriptHeader.Check(name, string.Concat(before.Append(Files[^1]).Select(file => ScriptFile.Of(file).Text)), asked, answer);
        prelude = ScriptPrelude.Of(asked, answer);
        Script = Join(ScriptFile.Of);
    }

    private readonly string prelude;

    /// <summary>
    /// Rare, and costly when lost: where Redis has replicas, the decision is not answered before one of them has it, or some milliseconds have
    /// passed (docs/redis.md).
    /// </summary>
    internal bool IsCostly { get; init; }

    /// <summary>The script's file name without its ending.</summary>
    public string Name { get; }

    /// <summary>The whole script, as Redis gets it.</summary>
    public string Script { get; }

    /// <summary>The files that the script consists of, in this order.</summary>
    internal IReadOnlyList<string> Files { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The script made from other texts of its files. Anything put before a file is on that file's first line.</summary>
    internal string With(Func<string, string> textOf) => Join(file => ScriptFile.With(textOf(file)));

    private string Join(Func<string, ScriptFile> fileOf) =>
        ScriptNeeds.Of([.. ScriptNeeds.PartsOf(ScriptPrelude.Names), .. Files.SelectMany((file, nth) => (nth == 1 ? ScriptNeeds.PartsOf(prelude) : []).Concat(fileOf(file).Parts))]).TrimEnd('\n') + ScriptPrelude.End;

    /// <summary>One of the files, as embedded in the assembly.</summary>
    internal static string Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(file)
            ?? throw new InvalidOperationException($"The ledger's script {file} is not embedded in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>A decision with the types of its question and its answer: the script uses the records' fields by name.</summary>
/// <typeparam name="TAsked">Its question.</typeparam>
/// <typeparam name="TAnswer">Its answer.</typeparam>
internal sealed class Decision<TAsked, TAnswer> : Decision
{
    private readonly WireFormat<TAsked> questions = WireFormat<TAsked>.Instance;
    private readonly WireFormat<TAnswer> answers = WireFormat<TAnswer>.Instance;

    /// <param name="name">The file of its own script, without its ending.</param>
    /// <param name="first">A file that answers what needs nothing of <c>common.lua</c>; it stands before that.</param>
    /// <param name="parts">Files between <c>common.lua</c> and its own.</param>
    public Decision(string name, IReadOnlyList<string>? parts = null, string? first = null)
        : base(name, first, parts ?? [], WireFormat<TAsked>.Instance.Shape, WireFormat<TAnswer>.Instance.Shape)
    {
    }

    /// <summary>Adds the question to the words that say who asks.</summary>
    public void Write(TAsked asked, List<string> words) => questions.Write(asked, words);

    /// <summary>The question, without the words that say who asks.</summary>
    public TAsked ReadAsked(IReadOnlyList<string> words) => questions.ReadAll(words, from: 3);

    /// <summary>The answer, without the epoch and the mark.</summary>
    public TAnswer ReadAnswer(IReadOnlyList<string> words) => answers.ReadAll(words, from: 2);
}
