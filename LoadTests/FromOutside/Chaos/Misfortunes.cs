using LoadTests.FromOutside.Chaos.Faults;

namespace LoadTests.FromOutside.Chaos;

/// <summary>All that can happen.</summary>
internal static class Misfortunes
{
    public static readonly IReadOnlyList<Misfortune> All =
    [
        new ReplicaKilled(),
        new IssuingReplicaKilled(),
        new ReplicaFrozen(),
        new IssuingReplicaFrozen(),
        new ReplicasRolled(),
        new ReplicasUpgraded(),
        new RedisPaused(),
        new RedisRestarted(),
        new RedisEmptied(),
        new RedisFailedOver(),
        new RedisFailedOverAmidRotation(),
        new RedisFailedOverAmidRevocation(),
        new RedisLostAmidIssue(),
        new RedisReplicaPaused(),
        new RedisFull(),
        new ScriptsFlushed(),
        new SlotMoved(),
        new PostgresRestarted(),
        new DropsRefused(),
        new IssuerSlow(),
        new IssuerFailing(),
        new IssuerSessionKilled(),
        new VaultSealed(),
        new VaultSlow(),
        new VaultFailing(),
        new VaultAnswersAndDies(),
        new ClocksApart(),
    ];

    public static Misfortune Named(string name) => All.Single(misfortune => misfortune.Name == name);
}
