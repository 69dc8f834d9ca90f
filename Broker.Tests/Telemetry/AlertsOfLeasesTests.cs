using System.Text.Json.Nodes;
using Broker.Core.Issuing.BuiltIn;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>
/// As <see cref="AlertsOnTheProductTests"/>, with what can become of a lease, its issuer and the record of it: a user that cannot be
/// dropped, an answer of Vault's that is lost, a Vault token that cannot be renewed, an audit that cannot be written, a ledger that forgot.
/// </summary>
public sealed class AlertsOfLeasesTests : IAsyncLifetime
{
    private PrivateDirectory disk = null!;
    private SyslogReceiver syslog = null!;
    private SimulatedVault vault = null!;
    private WatchedBroker broker = null!;
    private JsonObject configured = null!;

    /// <summary>Those that are seen here.</summary>
    internal static IReadOnlyList<string> Alerts { get; } = ["BrokerAuditSinkFailing", "BrokerAuditUnavailable", "BrokerDutyFailing", "BrokerDutyOverdue", "BrokerIssuerDown", "BrokerLeaseUnknown", "BrokerLeftovers", "BrokerRenewalsRefused", "BrokerRevokeFailed", "BrokerVaultTokenEnding"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string AuditFolder => Path.Combine(disk.Path, "audit");

    public async ValueTask InitializeAsync()
    {
        disk = await PrivateDirectory.CreateAsync("disk", owner: null);
        await disk.MakeAsync("audit");
        syslog = new();
        vault = await SimulatedVault.StartAsync();
        vault.Tokens = new() { Period = TimeSpan.FromSeconds(20) };
        broker = await WatchedBroker.StartAsync(new()
        {
            CreationStatements = [.. StageSettings.StandardStatements, "GRANT CREATE ON SCHEMA public TO \"{{name}}\""],
            Configure = (_, configuration) =>
            {
                configured = configuration;
                var settings = configuration["Broker"]!;
                settings["Audit"]!["Path"] = Path.Combine(AuditFolder, "audit.jsonl");
                settings["Audit"]!["Syslog"] = new JsonObject { ["Address"] = $"tcp://127.0.0.1:{syslog.Port}" };
                settings["Waiting"] = new JsonObject { ["IssueDeadline"] = "00:00:05" };
                settings["Issuers"]!["vault"] = new JsonObject
                {
                    ["Kind"] = "Vault",
                    ["Address"] = vault.Address.OriginalString,
                    ["Auth"] = new JsonObject { ["Method"] = "AppRole", ["RoleId"] = SimulatedVault.RoleId, ["SecretId"] = SimulatedVault.SecretId },
                };
                WatchedBroker.AddRole(configuration, "vaulted", static role =>
                {
                    role["Issuer"] = "vault";
                    role.Remove("CreationStatements");
                    role["VaultPath"] = "database/creds/app";
                    role["VaultPathExclusive"] = true;
                });
            },
        });
        vault.AddRole(PostgresRole.On(broker.Stage.Postgres.AdminConnectionString, "database/creds/app", TimeSpan.FromHours(1), TimeSpan.FromHours(24)));
    }

    public async ValueTask DisposeAsync()
    {
        if (broker is not null) await broker.DisposeAsync();
        if (vault is not null) await vault.DisposeAsync();
        if (syslog is not null) await syslog.DisposeAsync();
        if (disk is not null) await disk.DisposeAsync();
    }

    [Fact]
    public async Task Alerts_of_leases_fire_when_their_trouble_comes_and_clear_when_it_is_over()
    {
        await RevokeFailsAsync();

        // Vault makes a user, and its answer is lost; what it made is found among its leases a minute later.
        vault.Fail("database/creds/", new SimulatedFault.DoAndDie());
        using (var lost = await broker.ClaimAsync("vaulted", 2, connections: 1, wait: 0)) lost.IsSuccessStatusCode.ShouldBeFalse();
        await broker.FiresAsync("BrokerLeaseUnknown");

        vault.Sealed = true;
        await broker.FiresAsync("BrokerIssuerDown", "BrokerVaultTokenEnding", "BrokerDutyFailing");
        vault.Sealed = false;
        await broker.ClearsAsync("BrokerIssuerDown", "BrokerVaultTokenEnding", "BrokerDutyFailing", "BrokerLeaseUnknown");
        await Eventually.HoldsAsync(() => Task.FromResult(vault.Users.Count == 0), "what was lost is found and dropped", Cancellation);

        using (var held = await broker.ClaimAsync("orders-api", 3, connections: 1, wait: 30))
        {
            // Nobody claims meanwhile: who holds something renews it.
            var holder = (await WatchedBroker.GrantAsync(held))["holder"]!["id"]!.GetValue<string>();
            Task<HttpResponseMessage?> RenewAsync() => broker.PostAsync(broker.Stage.Identity.PodToken(3), $"/api/v1/holders/{holder}/renew", "{}");

            // One of the two places of the audit is away: everything is served, and that place misses it.
            await syslog.StopAsync();
            await broker.FiresAsync(["BrokerAuditSinkFailing"], RenewAsync);
            broker.Fired.ShouldNotContain("BrokerAuditUnavailable");
            (await AuditCompleteAsync()).ShouldBe((false, " No records are accepted by: syslog."));

            // Then both are.
            Directory.Move(AuditFolder, AuditFolder + " unmounted");
            await broker.FiresAsync(["BrokerAuditUnavailable", "BrokerRenewalsRefused"], RenewAsync);
            Directory.Move(AuditFolder + " unmounted", AuditFolder);
            syslog.Start();
            await Eventually.HoldsAsync(
                async () =>
                {
                    using var renewed = await RenewAsync();
                    return renewed!.IsSuccessStatusCode && (await AuditCompleteAsync()).Failing.Length == 0;
                },
                "both to take records again", Cancellation);
            await broker.ClearsAsync("BrokerAuditSinkFailing", "BrokerAuditUnavailable", "BrokerRenewalsRefused");
        }

        await DutiesWaitAsync();
        await LedgerForgetsAsync();

        Alerts.Except(broker.Cleared).ShouldBeEmpty();
    }

    // A user that owns a table, which nobody may have: an operator sees the alert, mends what it says, and orders once more.
    private async Task RevokeFailsAsync()
    {
        using var answer = await broker.ClaimAsync("orders-api", 1, connections: 1, wait: 30);
        var grant = await WatchedBroker.GrantAsync(answer);
        await ExecuteAsync(grant["credentials"]!["adoNet"]!.GetValue<string>(), "CREATE TABLE kept ()");
        var lease = grant["lease"]!["id"]!.GetValue<string>();
        await OrderAsync(HttpMethod.Post, $"/api/v1/leases/{lease}/revoke");
        await broker.FiresAsync("BrokerRevokeFailed");

        await ExecuteAsync(broker.Stage.Postgres.AdminConnectionString, "DROP TABLE kept");
        await OrderAsync(HttpMethod.Post, $"/api/v1/leases/{lease}/revoke");
        await broker.ClearsAsync("BrokerRevokeFailed");
    }

    // A part of the ledger's books is of another kind than every replica expects: it can be read, and no duty is taken.
    private async Task DutiesWaitAsync()
    {
        var news = (await broker.Stage.Redis!.ExecuteAsync("EVAL", "return redis.call('KEYS', '*orders*:budget')[1]", 0)).Replace(":budget", ":news", StringComparison.Ordinal);
        await broker.Stage.Redis.ExecuteAsync("SET", news, "not a list of news");
        await broker.FiresAsync("BrokerDutyOverdue");
        await broker.Stage.Redis.ExecuteAsync("DEL", news);
        await broker.ClearsAsync("BrokerDutyOverdue");
    }

    // The ledger is lost while nobody runs who remembers it. The broker is told what mark its users had; one is left that no lease
    // knows, until an operator drops it.
    private async Task LedgerForgetsAsync()
    {
        using var answer = await broker.ClaimAsync("orders-api", 4, connections: 1, wait: 30);
        var left = (await WatchedBroker.GrantAsync(answer))["credentials"]!["username"]!.GetValue<string>();
        await broker.Replica.KillAsync();
        await broker.Stage.Redis!.ExecuteAsync("FLUSHALL");
        configured["Broker"]!["Ledger"]!["FormerMarks"] = new JsonArray(UserNames.MarkOf(left));
        await broker.Replica.ReconfigureAsync(configured, Cancellation);
        await broker.Replica.StartAgainAsync(Cancellation);
        await broker.FiresAsync("BrokerLeftovers");

        await OrderAsync(HttpMethod.Delete, $"/api/v1/leftovers/orders/{left}");
        await broker.ClearsAsync("BrokerLeftovers");
    }

    private async Task<(bool Met, string Failing)> AuditCompleteAsync()
    {
        var audit = (await broker.ReadAsync("/api/v1/indicators"))["indicators"]!.AsArray().Single(one => (string)one!["name"]! == "audit-complete")!;
        var detail = (string)audit["detail"]!;
        var failing = detail.IndexOf(" No records", StringComparison.Ordinal);
        return ((bool)audit["met"]!, failing < 0 ? "" : detail[failing..]);
    }

    private async Task OrderAsync(HttpMethod method, string path)
    {
        using var answer = await broker.SendAsync(method, broker.Stage.Identity.OperatorToken(), path, """{ "reason": "the alert said so" }""");
        answer!.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(Cancellation));
    }

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}
