using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos;

/// <summary>The kinds of Redis that replicas share, as <c>--redis</c> names them.</summary>
internal static class RedisKinds
{
    private static readonly Dictionary<string, LedgerKind> Kinds = new(StringComparer.Ordinal)
    {
        ["single"] = LedgerKind.Redis,
        ["replicated"] = LedgerKind.RedisWithReplica,
        ["cluster"] = LedgerKind.RedisCluster,
    };

    public static string[] Names => [.. Kinds.Keys];

    public static LedgerKind Named(string name) => Kinds[name];

    public static string NameOf(LedgerKind kind) => Kinds.Single(one => one.Value == kind).Key;
}
