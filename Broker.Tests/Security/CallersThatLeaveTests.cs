using System.Text.Json.Nodes;
using Broker.Core.Ledger;
using Broker.Tests.Fronts.Vault;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A caller that leaves while the ledger decides what it asked for: it is done, and so it is on record (law L7).</summary>
public sealed class CallersThatLeaveTests
{
    [Theory]
    [InlineData("release", nameof(Decision.Release), "release")]
    [InlineData("end", nameof(Decision.Release), "end")]
    [InlineData("revoke", nameof(Decision.Move), "revoke")]
    [InlineData("rotate", nameof(Decision.Hurry), "rotate")]
    [InlineData("ceiling", nameof(Decision.ReplaceShared), "ceiling")]
    [InlineData("pause", nameof(Decision.ReplaceShared), "pause")]
    [InlineData("session", nameof(Decision.OpenSession), "session")]
    [InlineData("Vault's token", nameof(Decision.DropRecord), "session")]
    [InlineData("Vault's lease", nameof(Decision.DropRecord), "release")]
    [InlineData("Vault's wrapping", nameof(Decision.DropRecord), "session")]
    public async Task L7_What_was_done_is_on_record_also_when_the_caller_left_amid_it(string what, string decision, string action)
    {
        Departure? departure = null;
        await using var world = new BrokerWorld
        {
            Services = services =>
            {
                var store = (ILedgerStore)services.Last(service => service.ServiceType == typeof(ILedgerStore)).ImplementationInstance!;
                services.Replace(ServiceDescriptor.Singleton<ILedgerStore>(departure = new(store)));
            },
        };
        var replica = await world.ReplicaAsync();
        var grant = await world.ClaimAsync(replica, world.Pod());
        string holder = (string)grant.Body["holder"]!["id"]!, lease = (string)grant.Body["lease"]!["id"]!;
        var vault = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        var (read, wrapped) = (await vault.ReadAsync(), await vault.ReadAsync("orders-api", ("X-Vault-Wrap-TTL", "60")));
        var because = new JsonObject { ["reason"] = "a test" };
        var (method, path, token, body) = what switch
        {
            "release" => (HttpMethod.Delete, $"/api/v1/holders/{holder}", world.Pod(), null),
            "end" => (HttpMethod.Post, $"/api/v1/holders/{holder}/end", world.Person("operators"), because),
            "revoke" => (HttpMethod.Post, $"/api/v1/leases/{lease}/revoke", world.Person("operators"), because),
            "rotate" => (HttpMethod.Post, "/api/v1/roles/orders-api/rotate", world.Person("operators"), because),
            "ceiling" => (HttpMethod.Put, "/api/v1/budgets/orders/ceiling", world.Person("operators"), new JsonObject { ["reason"] = "a test", ["ceiling"] = 50 }),
            "pause" => (HttpMethod.Post, "/api/v1/roles/orders-api/pause", world.Person("operators"), because),
            "Vault's token" => (HttpMethod.Post, "/v1/auth/token/revoke-self", vault.Token!, null),
            "Vault's lease" => (HttpMethod.Put, "/v1/sys/leases/revoke", vault.Token!, new JsonObject { ["lease_id"] = read.LeaseId }),
            "Vault's wrapping" => (HttpMethod.Post, "/v1/sys/wrapping/unwrap", (string)wrapped.Body["wrap_info"]!["token"]!, null),
            _ => (HttpMethod.Post, "/api/v1/sessions", world.Job(), new JsonObject { ["roles"] = new JsonArray("deploy") }),
        };
        using var leaves = new CancellationTokenSource();
        var before = world.Audited(action).Length;
        departure!.Amid(decision, leaves);

        await Should.ThrowAsync<OperationCanceledException>(SendAsync());

        await Eventually.HoldsAsync(() => Task.FromResult(world.Audited(action).Length > before), "it is on record", TestContext.Current.CancellationToken);
        departure.Happened.ShouldBeTrue();

        async Task SendAsync()
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body.ToJsonString(), null, "application/json") };
            request.Headers.Authorization = new("Bearer", token);
            using var answer = await replica.SendAsync(request, leaves.Token);
        }
    }

    /// <summary>A ledger in the middle of whose decision the caller leaves; who waits no longer then does not hear what was decided.</summary>
    private sealed class Departure(ILedgerStore store) : ILedgerStore
    {
        private static readonly TimeSpan NoticedWithin = TimeSpan.FromSeconds(2);
        private volatile string? amid;
        private CancellationTokenSource? leaves;

        public bool IsOfThisProcess => store.IsOfThisProcess;

        public bool Happened { get; private set; }

        public void Amid(string decision, CancellationTokenSource caller) => (leaves, amid) = (caller, decision);

        public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
        {
            var answer = await store.DecideAsync(decision, database, arguments, cancellation);
            if (!string.Equals(decision.Name.Replace("_", "", StringComparison.Ordinal), amid, StringComparison.OrdinalIgnoreCase)) return answer;
            await leaves!.CancelAsync();
            Happened = true;
            if (cancellation.CanBeCanceled && cancellation.WaitHandle.WaitOne(NoticedWithin)) cancellation.ThrowIfCancellationRequested();
            return answer;
        }

        public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);

        public ValueTask DisposeAsync() => store.DisposeAsync();
    }
}
