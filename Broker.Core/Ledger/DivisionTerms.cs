namespace Broker.Core.Ledger;

/// <summary>The terms on which a database's connections are divided.</summary>
/// <param name="Parties">The parties whose terms differ from the usual ones (weight 1, nothing guaranteed, priority 0).</param>
/// <param name="Surges">What stays free for rolling updates, by role.</param>
public sealed record DivisionTerms(IReadOnlyList<PartyTerms> Parties, IReadOnlyList<SurgeTerms> Surges);

/// <summary>A role, or a team that has terms of its own.</summary>
/// <param name="Name">As claims name it.</param>
/// <param name="Weight">Its part beside others, 1 or more.</param>
/// <param name="Guaranteed">Connections that are kept free for it while it does not have them.</param>
/// <param name="Priority">Parties with a higher priority are served first and go down last.</param>
public sealed record PartyTerms(string Name, int Weight, int Guaranteed, int Priority);

/// <summary>How many pods a role's rolling update runs beside the old ones.</summary>
/// <param name="Role">The role.</param>
/// <param name="Expected">Pods expected at once; 0: not known.</param>
/// <param name="Percent">Of them, rounded up.</param>
/// <param name="Least">Connections that each needs at least.</param>
public sealed record SurgeTerms(string Role, int Expected, int Percent, int Least);
