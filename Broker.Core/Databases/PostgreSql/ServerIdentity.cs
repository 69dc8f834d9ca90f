using Broker.Core.Catalog;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Identifies a server, whatever name it is reached by.</summary>
/// <param name="IsReplica">It is in recovery: it has its primary's system identifier, and connections of its own.</param>
/// <param name="Address">Its own end of the connection, as it sees it; null: a Unix socket.</param>
/// <param name="SaysMore">The administrator may read its system identifier. By default everybody may: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA.</param>
internal sealed record ServerIdentity(bool IsReplica, string? Address, bool SaysMore)
{
    /// <summary>
    /// The system identifier, which a cluster of databases gets when it is made. A replica is distinguished from its primary by its address, and a
    /// server that reveals no identifier has only its address. Null: it has neither.
    /// </summary>
    public async Task<string?> NameAsync(AdminConnections admin, Database database, CancellationToken cancellation)
    {
        var identifier = SaysMore
            ? await AdminReads.RunAsync(
                admin,
                database,
                "SELECT system_identifier::text FROM pg_control_system()",
                [],
                async reader => await reader.ReadAsync(cancellation) ? reader.GetString(0) : null,
                cancellation)
            : null;
        return NameOf(identifier);
    }

    private string? NameOf(string? identifier) => (identifier, IsReplica, Address) switch
    {
        ({ } known, false, _) => $"postgresql {known}",
        ({ } known, true, { } at) => $"postgresql {known} replica {at}",
        (null, _, { } at) when !IsLoopback(at) => $"postgresql {at}",
        _ => null,
    };

    // Every machine has it.
    private static bool IsLoopback(string address) => address.StartsWith("127.", StringComparison.Ordinal) || address.StartsWith("::1", StringComparison.Ordinal);
}
