using System.Text.Json;
using Broker.Core.Ledger;

namespace Broker.Core.Sessions;

/// <summary>
/// Seals sessions for the ledger, each for its own id: a writer to the ledger cannot make or change a session, nor let one live
/// beyond its longest lifetime (law L14).
/// </summary>
internal sealed class SessionSealer(LedgerSeal seal, TimeProvider time)
{
    private const string Purpose = "Broker.Session.v1";

    /// <summary>The tolerated difference between replicas' clocks. The ledger's clock ends a session to the second (law L9); this is an additional bound.</summary>
    public static readonly TimeSpan ClocksApart = TimeSpan.FromMinutes(5);

    /// <summary>The text for the ledger.</summary>
    /// <param name="id">The session's id.</param>
    /// <param name="session">The session.</param>
    /// <param name="longest">How long it may live at most, from now.</param>
    /// <exception cref="LedgerException">The sealing keys are not available.</exception>
    public string Write(string id, Session session, TimeSpan longest) =>
        seal.Seal(JsonSerializer.Serialize(new Sealed(session, time.GetUtcNow() + longest + ClocksApart)), Purpose, id);

    /// <summary>The session; null: this text was not sealed for this id, or its longest lifetime is over.</summary>
    /// <exception cref="LedgerException">The ledger does not give the sealing keys.</exception>
    public Session? Read(string id, string text) =>
        seal.TryOpen(text, Purpose, id) is { } opened && JsonSerializer.Deserialize<Sealed>(opened)! is var found && time.GetUtcNow() < found.Until
            ? found.Session
            : null;

    private sealed record Sealed(Session Session, DateTimeOffset Until);
}
