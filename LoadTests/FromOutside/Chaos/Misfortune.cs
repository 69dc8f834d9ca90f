using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos;

/// <summary>Something that goes wrong, once, while pods are at work; and all that it excuses. All stand in <see cref="Misfortunes"/>.</summary>
internal abstract class Misfortune
{
    /// <summary>As <c>--fault</c> names it.</summary>
    public abstract string Name { get; }

    /// <summary>What happens, in a line.</summary>
    public abstract string What { get; }

    /// <summary>Users that may be made besides the pool's first one and one for each rotation that was ordered (L1).</summary>
    public virtual int MoreUsers => 0;

    /// <summary>Whether the ledger loses something: L8 is looked at.</summary>
    public virtual bool LosesLedger => false;

    /// <summary>The refusals that callers may be given for it, besides those for a full database.</summary>
    public virtual IReadOnlyList<string> Refusals => [];

    /// <summary>The stage it needs.</summary>
    public virtual StageSettings On(StageSettings stage) => stage;

    /// <summary>It happens, and is over when this returns: everything that was broken is mended.</summary>
    public abstract Task HappenAsync(Scene scene, CancellationToken cancellation);

    /// <summary>The stage with a Redis that has a copy; a Cluster's masters have one each.</summary>
    protected static StageSettings WithCopy(StageSettings stage) => stage.Ledger == LedgerKind.RedisCluster ? stage : stage with { Ledger = LedgerKind.RedisWithReplica };
}
