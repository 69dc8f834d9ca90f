using Broker.Core.Identity;

namespace Broker.Core.Leases;

/// <summary>A caller's request.</summary>
/// <param name="Caller">The caller.</param>
/// <param name="Role">The role it wants.</param>
/// <param name="Holder">The id it gives itself; null: its pod, which its token then has to name.</param>
/// <param name="Connections">Connections it wants; null: the role's default.</param>
/// <param name="MinConnections">The fewest connections it accepts; null: as many as it wants, or the role's minimum when it names no number at all.</param>
/// <param name="Wait">How long it is ready to wait, for a lease or in line for connections; null: a while for a lease to be issued, but not in line.</param>
/// <param name="Origin">Where it came from.</param>
public sealed record Ask(Caller Caller, string Role, string? Holder, int? Connections, int? MinConnections, TimeSpan? Wait, Origin Origin)
{
    /// <summary>
    /// Whether the holder may be given more later, and be asked to go down, within what it accepts (default true). One that may not keeps the size that it has, whatever it
    /// asks for when it claims again.
    /// </summary>
    public bool Breathes { get; init; } = true;

    /// <inheritdoc cref="Broker.Core.Ledger.Claim.Lasts"/>
    public bool Lasts { get; init; }
}
