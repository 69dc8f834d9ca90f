using System.Globalization;
using Broker.Core.Databases;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>A database's pooler, as the API writes it and as it was last seen.</summary>
/// <param name="Kind">Which program it is.</param>
/// <param name="Address">Where pods connect to.</param>
/// <param name="Mode">Its pooling mode, in its own term; empty: not known.</param>
/// <param name="PoolSize">Connections to the server that it may have at most, as configured.</param>
/// <param name="Pool">The connections it was told to keep to: fewer than PoolSize while the server lacks room.</param>
/// <param name="KeptAt">When it was last told or checked; null: never.</param>
/// <param name="Open">The connections that it had open.</param>
/// <param name="Clients">Its clients.</param>
/// <param name="Waiting">The clients that waited for a connection to the server.</param>
/// <param name="Error">What is wrong with it; null when nothing is.</param>
/// <param name="Processes">Its processes.</param>
public sealed record PoolerShape(
    string Kind, string Address, string Mode, int PoolSize, int Pool, DateTimeOffset? KeptAt, int Open, int Clients, int Waiting, string? Error, IReadOnlyList<PoolerProcess> Processes)
{
    /// <summary>Of a budget; null: its database has none.</summary>
    public static PoolerShape? Of(Budget budget)
    {
        if (budget.Database.Pooler is not { } pooler) return null;
        var seen = budget.Pooler;
        return new(
            pooler.Kind.ToString(), new Core.Model.ServerAddress(pooler.Host, pooler.Port).ToString(), seen?.Mode ?? "", pooler.PoolSize, seen?.Pool ?? 0, seen?.KeptAt, seen?.Open ?? 0,
            seen?.Clients ?? 0, seen?.Waiting ?? 0, seen?.Error, seen?.Processes ?? []);
    }

    /// <summary>The same in sentences, for people.</summary>
    public string InWords()
    {
        var who = $"The pooler {Kind} at {Address}{(Mode.Length > 0 ? $" ({Mode})" : "")}";
        var keeps = KeptAt is not { } at
            ? $"{who} has not been told yet how many connections it may have."
            : string.Create(CultureInfo.InvariantCulture, $"{who} may use {Pool} of its {PoolSize} connections to the server. {Open} are open, for {Clients} clients, of which {Waiting} wait; last checked at {at:u}.");
        return Error is null ? keeps : $"{keeps} Something is wrong: {Error}";
    }
}
