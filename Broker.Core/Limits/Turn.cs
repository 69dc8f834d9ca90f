namespace Broker.Core.Limits;

/// <summary>By whom work takes turns: by the address it comes from, and there by whom it says it is.</summary>
/// <param name="From">The address, which nobody can make up.</param>
/// <param name="Who">Who it says it is, which anybody can.</param>
internal readonly record struct Turn(string From, string Who);
