using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Budgets;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.History;
using Broker.Api.Fronts.Native.Holdings;
using Broker.Api.Fronts.Native.Indicators;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Health;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Leases;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;
using Broker.Core.Operators.Indicators;

namespace Broker.Api.Fronts.Native.Description;

/// <summary>Examples for the description, written by the code that writes the answers, so that they match what a caller gets.</summary>
internal static class Examples
{
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736", LeaseId = "92fb774edd8c43df896a", HolderId = "orders-api.sR3lCOZasfSfGIpv";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly Database Database = new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.PostgreSql,
        Host = "orders-db",
        Port = 5432,
        DatabaseName = "app",
        AdminConnectionString = new("SSL Mode=Require"),
        Budget = new(),
        Issuing = new(),
    };

    private static readonly Claim Asked = new(HolderId, new("orders-api", 0, default, 0, default), "orders-api", 5, 5, default, default, ClaimKind.Claim, "");

    private static readonly Login Login = new("b-orders-api-f2ye5w7mnjyomqfe", new("example"));

    private static readonly Grant Grant = new(
        "orders-api",
        Database.Name,
        new(LeaseId, Noon, Noon, Noon.AddHours(1)),
        new(HolderId, Noon.AddMinutes(30), 1200, "orders/orders-api-6f7c9d-x2x9q"),
        5,
        new(Login, Database.DatabaseName, new PostgreSqlEngine(TimeProvider.System).Describe(Database, Login, 5, HolderSlot.Mark)),
        SharedLedger.Overlap)
    { FewerBecause = "5 of 10: room is kept for 15 expected holders." };

    private static readonly BudgetShape Budget = new(
        "orders", "PostgreSql", "s-4f1b2c9d7e6a5038", 200, 3, 137, 8, 0, 129, 100, 29, 0, Noon, false, [new("orders-api", 20, 100, 0, 20)], false);

    private static readonly LeaseShape Lease = new(
        LeaseId, "orders", "orders-api", "orders-api", nameof(LeaseState.Active), "b-orders-api-f2ye5w7mnjyomqfe", Noon, Noon, Noon, Noon.AddHours(1), 20, 100, null);

    private static readonly Leftover Leftover = new(
        "orders", "b-orders-api-k3vd7q2mzx5a4nwo", "orders-api", Noon, null, Noon.AddHours(1), 2, 1, "table public.invoices", null);

    private static readonly DutyShape Duty = new(
        "revoke:" + LeaseId, "orders", Noon.AddMinutes(30), false, true, 6, Noon, "role \"b-orders-api-f2ye5w7mnjyomqfe\" cannot be dropped because some objects depend on it");

    private static readonly Indicator Indicator = new(
        "connection-use", "less than 70 % of each database's connections, and of those that may be promised, are taken", 0.54, "1", true, "orders has the most, 54 %.");

    private static readonly OpenShape Open = new(7, 4, 1, 12.5, 340.5);

    private static readonly HoldingShape Holding = new(
        HolderId, "orders", "orders-api", "orders/orders-api-6f7c9d-x2x9q", "orders", "checkout", "worker-3", LeaseId, "b-orders-api-f2ye5w7mnjyomqfe", 5, 0, 2, Open,
        Noon.AddHours(-3), Noon.AddMinutes(30), false);

    private static readonly CredentialsRequest Request = new("job-4711", 5, 1);

    /// <summary>An example of a type that the API accepts or returns.</summary>
    public static JsonNode? Of(Type type, JsonSerializerOptions json) => type.Name switch
    {
        nameof(GrantShape) => Written(to => GrantWriter.WriteClaim(to, Grant)),
        nameof(RenewalShape) => Written(to => GrantWriter.WriteRenewal(to, Grant)),
        nameof(CredentialsRequest) => JsonSerializer.SerializeToNode(Request, json),
        nameof(BudgetShape) => JsonSerializer.SerializeToNode(Budget, json),
        nameof(BudgetsShape) => JsonSerializer.SerializeToNode(new BudgetsShape([Budget]), json),
        nameof(LeasesShape) => JsonSerializer.SerializeToNode(new LeasesShape([Lease]), json),
        nameof(LeaseWithHoldersShape) => JsonSerializer.SerializeToNode(
            new LeaseWithHoldersShape(
                Lease.Id, Lease.Database, Lease.Role, Lease.Pool, Lease.State, Lease.Username, Lease.CreatedAt, Lease.IssuedAt, Lease.VerifiedAt, Lease.ExpiresAt,
                Lease.Holders, Lease.Connections, Lease.Reason, [new(HolderId, "orders/orders-api-7d9f", 5, Noon.AddMinutes(30), false)]),
            json),
        nameof(HistoryShape) => JsonSerializer.SerializeToNode(
            new HistoryShape(
                "orders", "6h", 60, [new(Noon, 200, 137, 8, 129, 121, 129, 4, 8, 2)], [new("orders-api", 100, Noon)], 5400,
                [new("orders-api", "budget-exhausted", "orders/orders-api-7d9f", 2, Noon, Noon.AddMinutes(1), "You need at least 5 connections, but none is free for you now.")]),
            json),
        nameof(FindingsShape) => JsonSerializer.SerializeToNode(
            new FindingsShape("orders", Noon, null, [new("notice", "Each user is granted its rights individually", "The broker's users stand in the access lists of 40 tables (such as invoices).", "CREATE ROLE app_rw NOLOGIN;")]), json),
        nameof(HoldingsShape) => JsonSerializer.SerializeToNode(new HoldingsShape(1, 1, 1, [Holding], []), json),
        nameof(LineShape) => JsonSerializer.SerializeToNode(new LineShape("orders", [new(HolderId, "orders/orders-api-7d9f", 5, 1, Noon, Noon.AddSeconds(20))]), json),
        nameof(OthersShape) => JsonSerializer.SerializeToNode(new OthersShape("orders", 7, [new("reports", "psql", "10.1.2.3", null, Open)], null), json),
        nameof(LeftoversShape) => JsonSerializer.SerializeToNode(new LeftoversShape([Leftover]), json),
        nameof(DutiesShape) => JsonSerializer.SerializeToNode(new DutiesShape([Duty]), json),
        nameof(IndicatorsShape) => JsonSerializer.SerializeToNode(new IndicatorsShape([Indicator]), json),
        nameof(HealthShape) => JsonSerializer.SerializeToNode(new HealthShape("ready", null), json),
        _ => null,
    };

    /// <summary>An example of a refusal.</summary>
    public static JsonNode Of(RefusedAs refused)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            var usual = Usual(refused.Code);
            RefusalWriter.Write(json, usual with { Detail = refused.Detail ?? usual.Detail }, refused.Status, TraceId);
        }

        return JsonNode.Parse(stream.ToArray())!;
    }

    private static Refusal Usual(RefusalCode code) => code switch
    {
        RefusalCode.InvalidRequest => Refusals.Invalid("'connections' is 50; role 'orders-api' grants 1 to 20."),
        RefusalCode.Unauthenticated => new(code, ProofFailure.NoToken.Describe()),
        RefusalCode.NotAllowed => Refusals.NotAllowed("orders-api"),
        RefusalCode.HolderUnknown => Refusals.HolderUnknown(),
        RefusalCode.HolderInUse => Refusals.HolderInUse("orders-api.iT0pPZ6Yg3Q1yW2x", 1, 10, TimeSpan.FromMinutes(20)),
        RefusalCode.LeaseUnknown => Refusals.LeaseUnknown(LeaseId),
        RefusalCode.SessionUnknown => new(code, ProofFailure.SessionUnknown.Describe()),
        RefusalCode.LimitExceeded => new(code, "This caller may claim 5 times a second. Wait and try again; a grant is valid until its end and need not be claimed again.", TimeSpan.FromSeconds(1)),
        RefusalCode.RolePaused => Refusals.RolePaused("orders-api", RoleState.Paused, "the orders database is being moved"),
        RefusalCode.BudgetExhausted => Refused(new ClaimAnswer.Exhausted(2, 2, 129, 129, TimeSpan.FromSeconds(12))),
        RefusalCode.IssueThrottled => Refused(new ClaimAnswer.Throttled(TimeSpan.FromSeconds(3))),
        RefusalCode.IssuerUnavailable => Refused(new ClaimAnswer.Failed(TimeSpan.FromSeconds(5), "IssuerUnavailable: Vault is sealed.")),
        RefusalCode.LoginFailed => Refused(new ClaimAnswer.Failed(TimeSpan.FromSeconds(5), "LoginFailed: permission denied for database.")),
        RefusalCode.DatabaseUnavailable => Refused(new ClaimAnswer.Stale()),
        RefusalCode.LedgerUnavailable => Refusals.LedgerUnavailable(),
        RefusalCode.AuditUnavailable => Refusals.AuditUnavailable(),
        _ => throw new ArgumentOutOfRangeException(nameof(code), code, "A refusal without an example."),
    };

    private static Refusal Refused(ClaimAnswer answer) => Refusals.For(answer, Asked, Database);

    private static JsonNode Written(Action<IBufferWriter<byte>> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        write(bytes);
        return JsonNode.Parse(bytes.WrittenSpan)!;
    }
}
