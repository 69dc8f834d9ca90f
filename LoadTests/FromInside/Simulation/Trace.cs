using System.Globalization;

namespace LoadTests.FromInside.Simulation;

/// <summary>What happened, in order: always as a fingerprint, and as lines when somebody wants to read them.</summary>
internal sealed class Trace(Timeline timeline, bool keep)
{
    private const ulong Prime = 1099511628211;
    private ulong hash = 14695981039346656037;

    public bool IsKept => keep;

    public List<string> Lines { get; } = [];

    /// <summary>The same for two runs exactly when the same happened at the same times (FNV-1a).</summary>
    public string Fingerprint => hash.ToString("x16", CultureInfo.InvariantCulture);

    public void Say(string what)
    {
        Mark(what);
        if (keep) Lines.Add(Line(what));
    }

    /// <summary>Something that is only for the fingerprint.</summary>
    public void Mark(string what)
    {
        hash = (hash ^ (ulong)timeline.Now.Ticks) * Prime;
        foreach (var character in what) hash = (hash ^ character) * Prime;
    }

    /// <summary>A line that is only for reading.</summary>
    public void Remark(string what)
    {
        if (keep) Lines.Add(Line(what));
    }

    private string Line(string what) => string.Create(CultureInfo.InvariantCulture, $"{timeline.Now.TotalSeconds,10:0.000000}  {what}");
}
