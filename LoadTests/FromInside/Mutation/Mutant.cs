namespace LoadTests.FromInside.Mutation;

/// <summary>A ledger script with one change.</summary>
/// <param name="File">The script's file.</param>
/// <param name="Line">The line that is changed, from 1.</param>
/// <param name="LastLine">The last line of what is changed.</param>
/// <param name="Start">Where in the file the change begins.</param>
/// <param name="Original">What was there.</param>
/// <param name="Replacement">What is there instead.</param>
internal sealed record Mutant(string File, int Line, int LastLine, int Start, string Original, string Replacement)
{
    /// <summary>The file with the change.</summary>
    public string Apply(string source) => string.Concat(source.AsSpan(0, Start), Replacement, source.AsSpan(Start + Original.Length));

    public override string ToString() => $"{File}:{Line}: {OnOneLine(Original)} -> {(Replacement.Length == 0 ? "nothing" : Replacement)}";

    private static string OnOneLine(string text) => string.Join(' ', text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
}
