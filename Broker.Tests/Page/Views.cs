using Broker.Api.Page;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Tests.Page;

/// <summary>Databases, leases and holders as the page gets them.</summary>
internal static class Views
{
    public const string LongRole = "payments-reconciliation-nightly-batch-worker-europe-west-4-canary";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static Budget Budget(
        string name, int limit, int ceiling, int foreign, int granted, int holders, int waiting, bool stale = false, bool counted = true,
        DatabaseEngineKind engine = DatabaseEngineKind.PostgreSql, int over = 3) => new(
        new Database { Name = name, Engine = engine, Host = "db", Port = 5432, DatabaseName = "app", AdminConnectionString = new("x"), Budget = new(), Issuing = new() },
        new(Now, counted ? Now - (stale ? TimeSpan.FromMinutes(3) : TimeSpan.FromSeconds(1)) : null, limit, limit == 0 ? 0 : 3, ceiling, foreign, 0, Math.Max(0, ceiling - foreign), granted, waiting,
            [new("orders-api", holders, granted, 0, granted * 3 / 4), new(LongRole, 0, 0, over, over)]),
        [Role("orders-api", 100), Role(LongRole, 0)],
        "s-4f1b2c9d7e6a5038");

    public static LeaseRecord Lease(string id, string database, LeaseState state, int holders, int connections, string role = "orders-api", string reason = "") => new()
    {
        Id = id,
        Database = database,
        Role = role,
        Pool = role,
        State = state,
        Username = state is LeaseState.Issuing or LeaseState.Unknown ? "" : $"b-{role[..Math.Min(13, role.Length)]}-{id}-4lkylt4ch6k4efp4",
        IssuerId = "",
        SealedLogin = "",
        CreatedAt = Now.AddMinutes(-7),
        IssuedAt = state is LeaseState.Issuing or LeaseState.Unknown ? null : Now.AddMinutes(-7),
        VerifiedAt = state is LeaseState.Issuing or LeaseState.Unknown ? null : Now.AddMinutes(-2),
        ExpiresAt = state is LeaseState.Issuing or LeaseState.Unknown ? null : Now.AddMinutes(52),
        RenewAt = null,
        Renewable = true,
        Life = TimeSpan.FromHours(1),
        Holders = holders,
        Connections = connections,
        EmptySince = null,
        IdleTtl = TimeSpan.FromMinutes(10),
        AttemptUntil = null,
        Begun = true,
        Shut = false,
        MaxHolders = 500,
        Cap = null,
        CappedAt = null,
        Reason = reason,
        ReadAt = Now,
    };

    public static IReadOnlyList<HolderRecord> Holders(int count) =>
        [.. Enumerable.Range(0, count).Select(pod => new HolderRecord($"orders-api.h{pod}", $"orders/{(pod == 5 ? LongRole : "orders-api")}-7d9c5b6f4-{pod}", 1, Now.AddMinutes(20 + pod % 7), pod == 3))];

    public static DatabaseView View(Budget budget, PageQuery query, bool mayOrder, params LeaseRecord[] leases) =>
        new(budget, leases, [], [], query.Lease is { } id && leases.Any(lease => lease.Id == id) ? Holders(100) : null, null, Now, mayOrder, query);

    private static Role Role(string name, int expected) => new()
    {
        Name = name,
        Database = "orders",
        Issuer = "vault",
        Allow = [],
        Connections = new() { ExpectedHolders = expected },
    };
}
