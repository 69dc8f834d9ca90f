using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>What a pod asks for: which database, issued how, shared by whom, allowed to whom. Immutable.</summary>
public sealed record Role
{
    /// <summary>Its key under <c>Broker:Roles</c>: 1-63 of <c>a-z 0-9 - _</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The name of its database in the catalog.</summary>
    public required string Database { get; init; }

    /// <summary>The name of its issuer in the catalog.</summary>
    public required string Issuer { get; init; }

    /// <summary>Vault's path that issues, e.g. <c>database/creds/orders-api</c>; null for the built-in issuer.</summary>
    public string? VaultPath { get; init; }

    /// <summary>Statements that create a user (built-in issuer), in Vault's template language.</summary>
    public IReadOnlyList<string> CreationStatements { get; init; } = [];

    /// <summary>Statements that drop a user; empty: the engine's default.</summary>
    public IReadOnlyList<string> RevocationStatements { get; init; } = [];

    /// <summary>Statements that move a user's end; empty: the engine's default.</summary>
    public IReadOnlyList<string> RenewStatements { get; init; } = [];

    /// <summary>
    /// PostgreSQL: who takes over the objects that a user of the role owns when it is dropped, so that the next user can continue to use them (law L13): a
    /// role that cannot log in, has no attributes of its own, is not the broker's administrator, and of which the role's users and the
    /// administrator are members. Null (the default): a user that owns objects is locked out and shown to the DBA.
    /// </summary>
    public string? OwnerRole { get; init; }

    /// <summary>For a static role: two existing users that take turns. Null (the default): users are created and dropped.</summary>
    public StaticUsers? Static { get; init; }

    /// <summary>How long a lease of the built-in issuer lives before it is renewed (1 min to 30 days, default 1 h).</summary>
    public TimeSpan LeaseTtl { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The longest lifetime of a lease, however often it is renewed (default 24 h).</summary>
    public TimeSpan LeaseMaxTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Who may share a lease (default <see cref="SharingScope.Role"/>).</summary>
    public SharingScope Sharing { get; init; } = SharingScope.Role;

    /// <summary>The most holders of a lease; for more, another lease is issued for the pool (1 to 100,000, default 500).</summary>
    public int MaxHoldersPerLease { get; init; } = 500;

    /// <summary>How many connections a holder gets.</summary>
    public ConnectionSettings Connections { get; init; } = new();

    /// <summary>
    /// How long a holder lives without being renewed (30 s to 7 days, default 30 min; 1 min with <see cref="ShortLivedPods"/>).
    /// </summary>
    public TimeSpan HolderTtl { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>
    /// Whether the role's pods are short jobs that may be killed without releasing anything (default false). Their holders end a minute
    /// after their last renewal; connections of a job that still runs count for as long as the database shows them.
    /// </summary>
    public bool ShortLivedPods { get; init; }

    /// <summary>How long a lease without holders is kept before its user is dropped (0 to 24 h, default 10 min).</summary>
    public TimeSpan IdleTtl { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Whether the role's pool always has a lease that takes holders, issued before anybody asks and kept when nobody holds it, so
    /// that a rollout never waits for an issuer (default false). Only with <see cref="SharingScope.Role"/>.
    /// </summary>
    public bool KeepReady { get; init; }

    /// <summary>How often a lease's login is tried again (10 s to 24 h, 0: never; default 5 min).</summary>
    public TimeSpan VerifyEvery { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether sessions that a revoked user still has are ended before it is dropped (default false: they continue until their
    /// pods close them). An operator's order to revoke always ends them.
    /// </summary>
    public bool EndSessions { get; init; }

    /// <summary>
    /// Whether only the broker issues through <see cref="VaultPath"/> (default false). Then the broker finds what a lost answer may have made
    /// among Vault's leases and revokes it, if it may list them.
    /// </summary>
    public bool VaultPathExclusive { get; init; }

    /// <summary>How the role's pods connect where it differs from the database's settings; null: like the database's.</summary>
    public PodSettings? Pods { get; init; }

    /// <summary>Who may have the role; nobody else may.</summary>
    public IReadOnlyList<AllowRule> Allow { get; init; } = [];
}

/// <summary>How many connections the holders of a role get.</summary>
public sealed record ConnectionSettings
{
    /// <summary>What a claim that names no number gets (default 5).</summary>
    public int Default { get; init; } = 5;

    /// <summary>The least a claim may ask for, and the least that a claim without <c>minConnections</c> must get (default 1).</summary>
    public int Min { get; init; } = 1;

    /// <summary>The most a claim may ask for (default 20).</summary>
    public int Max { get; init; } = 20;

    /// <summary>How many holders are expected at once (0: not known). Early holders leave room for later ones.</summary>
    public int ExpectedHolders { get; init; }

    /// <summary>How many more than expected may exist during a rolling update, in percent (0-100, default 25, like Kubernetes' maxSurge).</summary>
    public int SurgePercent { get; init; } = 25;

    /// <summary>The role's weight relative to others (1 to 1000, default 1): of two that want more than there is, one with weight 2 gets twice as much as one with weight 1.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>Connections that are kept free for the role while it does not have them (0 to 10,000, default 0).</summary>
    public int Guaranteed { get; init; }

    /// <summary>Roles with a higher priority (0 to 9, default 0) are served first and go down last.</summary>
    public int Priority { get; init; }
}

/// <summary>
/// One rule of an <c>Allow</c> list: the token's issuer and every claim must match. A claim is named by its path in the
/// token (<c>kubernetes.io/namespace</c> nests); <c>namespace</c>, <c>serviceaccount</c>, <c>pod</c> and <c>node</c> are short for Kubernetes'.
/// </summary>
/// <param name="Issuer">A key of <c>Broker:Identity:Issuers</c>.</param>
/// <param name="Claims">The required match by claim path; at least one.</param>
public sealed record AllowRule(string Issuer, IReadOnlyDictionary<string, ClaimMatch> Claims)
{
    /// <summary>A rule whose claims must have exact values.</summary>
    public AllowRule(string issuer, IReadOnlyDictionary<string, string> exactly)
        : this(issuer, exactly.ToDictionary(claim => claim.Key, claim => ClaimMatch.Exactly(claim.Value), StringComparer.Ordinal))
    {
    }
}
