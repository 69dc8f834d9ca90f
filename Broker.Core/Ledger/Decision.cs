using System.Reflection;

namespace Broker.Core.Ledger;

/// <summary>
/// One decision of the ledger: a Lua script that reads and writes one database's keys in one atomic step. The same script
/// runs inside Redis and inside the process, so the rules stand once.
/// </summary>
public sealed class Decision
{
    private Decision(string name, params string[] parts)
    {
        Name = name;
        Files = ["common.lua", .. parts.Select(part => part + ".lua"), name + ".lua"];
        Script = string.Concat(Files.Select(Read));
    }

    /// <summary>The script's file name without its ending.</summary>
    public string Name { get; }

    /// <summary>The whole script, as Redis gets it.</summary>
    public string Script { get; }

    /// <summary>What the script is put together from, in this order.</summary>
    internal IReadOnlyList<string> Files { get; }

    public static Decision Claim { get; } = new("claim", "pools");
    public static Decision Succeed { get; } = new("succeed", "pools");
    public static Decision Begin { get; } = new("begin");
    public static Decision Beat { get; } = new("beat");
    public static Decision Issued { get; } = new("issued");
    public static Decision Activate { get; } = new("activate");
    public static Decision Fail { get; } = new("fail");
    public static Decision Release { get; } = new("release");
    public static Decision Sample { get; } = new("sample");
    public static Decision Budget { get; } = new("budget");
    public static Decision Leases { get; } = new("leases");
    public static Decision Holders { get; } = new("holders");
    public static Decision Renewed { get; } = new("renewed");
    public static Decision Verified { get; } = new("verified");
    public static Decision Expire { get; } = new("expire");
    public static Decision Move { get; } = new("move");
    public static Decision Forget { get; } = new("forget");
    public static Decision Due { get; } = new("due");
    public static Decision Done { get; } = new("done");
    public static Decision Duties { get; } = new("duties");
    public static Decision Hurry { get; } = new("hurry");
    public static Decision Restore { get; } = new("restore");
    public static Decision Leftovers { get; } = new("leftovers");
    public static Decision Flight { get; } = new("flight");
    public static Decision Cap { get; } = new("cap");
    public static Decision Shared { get; } = new("shared");
    public static Decision Session { get; } = new("session");
    public static Decision Share { get; } = new("share");

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>One of the files, as it is embedded in the assembly.</summary>
    internal static string Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(file)
            ?? throw new InvalidOperationException($"The ledger's script {file} is not embedded in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
