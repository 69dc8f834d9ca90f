using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// The client token and what Vault says about it. Remaining times count from the moment the value was read, so that
/// replicas whose clocks differ can share it.
/// </summary>
public sealed record VaultToken
{
    /// <summary>The token.</summary>
    public required Secret Value { get; init; }

    /// <summary>When it was created, on Vault's clock: compared only with other times of Vault's.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>The time until it ends unless renewed; null: never.</summary>
    public required TimeSpan? TimeLeft { get; init; }

    /// <summary>The time that a full renewal gives.</summary>
    public required TimeSpan FullTtl { get; init; }

    /// <summary>Whether it can be renewed at all.</summary>
    public required bool Renewable { get; init; }

    /// <summary>
    /// For how long its leases are safe: a lease ends with the token that created it. Null: as long as the token is kept
    /// alive, which is possible forever only with a periodic token.
    /// </summary>
    public required TimeSpan? Horizon { get; init; }

    /// <summary>Tokens before this one whose leases may still live.</summary>
    public IReadOnlyList<EarlierVaultToken> Earlier { get; init; } = [];

    /// <summary>Whether its time is over.</summary>
    public bool HasEnded => TimeLeft <= TimeSpan.Zero;

    /// <summary>Whether half of its time or more has passed: the time to renew it, and to put no long lease on it.</summary>
    public bool IsPastHalf => TimeLeft < FullTtl / 2;

    /// <summary>Whether a quarter of its time or less is left, so that renewals that keep failing will hardly succeed any more.</summary>
    public bool IsNearItsEnd => TimeLeft < FullTtl / 4;

    /// <summary>The same token some time later.</summary>
    public VaultToken After(TimeSpan passed) => this with
    {
        TimeLeft = TimeLeft - passed,
        Horizon = Horizon - passed,
        Earlier = [.. Earlier.Select(earlier => earlier with { TimeLeft = earlier.TimeLeft - passed }).Where(earlier => earlier.TimeLeft > TimeSpan.Zero)],
    };

    /// <summary>
    /// The token that follows this one while this one still lives. Nobody renews this one from then on, so its leases end with the
    /// time it has, even if renewals could have kept it alive for longer.
    /// </summary>
    public VaultToken FollowedBy(VaultToken next) => next with
    {
        Earlier = TimeLeft > TimeSpan.Zero ? [.. Earlier, new EarlierVaultToken(IssuedAt, TimeLeft.Value)] : Earlier,
    };

    /// <summary>For how long a lease created then is safe; null: as long as this token is kept alive.</summary>
    /// <param name="leaseIssuedAt">On Vault's clock.</param>
    /// <param name="overlap">
    /// How long after this token's creation another replica may still have used the one before; in doubt the earlier one counts.
    /// </param>
    public TimeSpan? HorizonOf(DateTimeOffset leaseIssuedAt, TimeSpan overlap) =>
        leaseIssuedAt >= IssuedAt + overlap
            ? Horizon
            : Earlier.Where(earlier => earlier.IssuedAt <= leaseIssuedAt).MaxBy(earlier => earlier.IssuedAt)?.TimeLeft ?? Horizon;
}

/// <summary>A token that was replaced before its end.</summary>
/// <param name="IssuedAt">When it was created, on Vault's clock.</param>
/// <param name="TimeLeft">The time until it, and every lease that it created, ends.</param>
public sealed record EarlierVaultToken(DateTimeOffset IssuedAt, TimeSpan TimeLeft);
