using System.Text.Json;
using Broker.Core.Databases;
using Broker.Core.Ledger;

namespace Broker.Core.Budgets;

/// <summary>A database's pooler as it was last seen.</summary>
/// <param name="Pool">The connections to the server that all its processes together were told to keep to.</param>
/// <param name="KeptAt">When they were last told or checked; null: never.</param>
/// <param name="Processes">Its processes, in the order of its configuration.</param>
/// <param name="Failure">Why it could not be checked since; null when it could.</param>
public sealed record PoolerState(int Pool, DateTimeOffset? KeptAt, IReadOnlyList<PoolerProcess> Processes, string? Failure)
{
    /// <summary>Connections to the server that it has open.</summary>
    public int Open => Processes.Sum(process => process.Open);

    /// <summary>Its clients.</summary>
    public int Clients => Processes.Sum(process => process.Clients);

    /// <summary>The clients that wait for a connection to the server.</summary>
    public int Waiting => Processes.Sum(process => process.Waiting);

    /// <summary>Its pooling mode, in its own term; empty: not known.</summary>
    public string Mode => string.Join(", ", Processes.Select(process => process.Mode).Where(mode => mode.Length > 0).Distinct(StringComparer.Ordinal));

    /// <summary>What is wrong with it; null when nothing is.</summary>
    public string? Error => Failure ?? Processes.FirstOrDefault(process => process.Error is not null)?.Error;
}

/// <summary>The last seen states of poolers, for display: any replica counts, and all replicas report the result.</summary>
internal sealed class PoolerStates(SharedLedger ledger)
{
    /// <summary>Notes that a pooler was counted and keeps to its size.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public ValueTask SawAsync(string database, PoolerState state, CancellationToken cancellation)
    {
        var text = JsonSerializer.Serialize(state);
        return ledger.Texts.ChangeSharedAsync(Name(database), _ => text, cancellation);
    }

    /// <summary>Notes that a pooler could not be counted, or could not be told its size.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public ValueTask FailedAsync(string database, string why, CancellationToken cancellation) =>
        ledger.Texts.ChangeSharedAsync(
            Name(database),
            text => Read(text) is var known && known?.Failure == why ? null : JsonSerializer.Serialize((known ?? new(0, null, [], null)) with { Failure = why }),
            cancellation);

    /// <summary>The last seen state; null when there is none yet.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<PoolerState?> FindAsync(string database, CancellationToken cancellation) =>
        Read((await ledger.Texts.ReadSharedAsync(Name(database), cancellation))?.Text);

    // For display only: what somebody else wrote there is ignored.
    private static PoolerState? Read(string? text)
    {
        try
        {
            return text is null ? null : JsonSerializer.Deserialize<PoolerState>(text) is { Processes: not null } state && !state.Processes.Contains(null!) ? state : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Name(string database) => "pooler:" + database;
}
