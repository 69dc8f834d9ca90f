using System.Reflection;
using Broker.Core.Ledger;
using KeraLua;

namespace LoadTests.FromInside.Mutation;

/// <summary>The ledger's scripts, as they are and with a mutant among them.</summary>
internal static class LedgerScripts
{
    // Far more than any decision takes. The hook stands on the script's first line, so lines keep their numbers.
    private const string Bounded = "debug.sethook(function() error('it does not end', 0) end, '', 2000000) ";

    /// <summary>All decisions.</summary>
    public static IReadOnlyList<Decision> Decisions { get; } =
        [.. typeof(Decision).GetProperties(BindingFlags.NonPublic | BindingFlags.Static).Select(property => property.GetValue(null)).OfType<Decision>()];

    /// <summary>All files that they are put together from.</summary>
    public static IReadOnlyList<string> Files { get; } = [.. Decisions.SelectMany(decision => decision.Files).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>What is run for each decision when a file reads otherwise. A script that does not end fails.</summary>
    public static Func<Decision, string> With(string file, string text) =>
        decision => Bounded + decision.With(part => part == file ? text : Decision.Read(part));

    /// <summary>Whether a mutant is Lua at all.</summary>
    public static bool Compiles(Mutant mutant)
    {
        using var lua = new Lua(openLibs: false);
        return lua.LoadString(mutant.Apply(Decision.Read(mutant.File)), mutant.File) == LuaStatus.OK;
    }
}
