using System.Globalization;
using Broker.Core.Databases;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>What pools a database's connections, as the API writes it and as it was seen last.</summary>
/// <param name="Kind">Which program it is.</param>
/// <param name="Address">Where pods connect to.</param>
/// <param name="Mode">How it shares connections, in its own word; empty: not known.</param>
/// <param name="PoolSize">Connections to the server that it may have at most, as configured.</param>
/// <param name="Pool">Those that it was told to keep to: fewer while the server has no room for so many.</param>
/// <param name="KeptAt">When it was told so, or seen to, last; null: never.</param>
/// <param name="Open">Those that it had open.</param>
/// <param name="Clients">Its clients.</param>
/// <param name="Waiting">Those of them that waited for a connection to the server.</param>
/// <param name="Error">What is wrong with it, in words; null: all is well.</param>
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
