using System.Text.Json.Nodes;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Model;
using Broker.Tests.Deployment;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>
/// Ledgers that earlier versions wrote (<c>loadtests record-ledger</c>), decided on by this one at the moment they were recorded: nobody who
/// holds something loses it, and all that was promised counts.
/// </summary>
public sealed class EarlierVersionsTests : IDisposable
{
    private const string Role = "orders-api";

    private static readonly TimeSpan HalfAnHour = TimeSpan.FromMinutes(30);

    private readonly string directory = Directory.CreateTempSubdirectory("broker-earlier-").FullName;

    public static TheoryData<string> Recorded => [.. Directory.GetDirectories(Repository.PathOf("Broker.Tests/Ledger/Earlier")).Select(Path.GetFileName).OfType<string>()];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [MemberData(nameof(Recorded))]
    public async Task Whoever_holds_something_by_an_earlier_version_holds_it_still(string version)
    {
        var (ledger, store, told, orders) = await OpenAsync(version);
        await using var opened = store;

        var budget = await ledger.Budgets.BudgetAsync(orders, [Role], Cancellation);
        budget.Granted.ShouldBe(told["holders"]!.AsArray().Sum(static holder => (int)holder!["granted"]! + (int)holder["moving"]!), "all that was promised counts");
        var leases = await ledger.Leases.LeasesAsync(orders, int.MaxValue, Cancellation);
        leases.Select(static lease => (lease.Id, lease.State.ToString(), lease.Username)).ShouldBe(
            told["leases"]!.AsArray().Select(static lease => ((string)lease!["id"]!, (string)lease["state"]!, (string)lease["username"]!)), ignoreOrder: true);

        foreach (var holder in await ledger.Holders.HoldersAsync(orders, null, int.MaxValue, Cancellation))
        {
            var lease = leases.Single(lease => lease.Id == holder.Lease);
            var claim = new Claim(holder.Id, new(Role, 0, HalfAnHour, 10_000, HalfAnHour), lease.Pool, holder.Connections, 1, TimeSpan.Zero, TimeSpan.Zero, ClaimKind.Claim, holder.Caller);
            (await AskAsync(ledger, orders, claim)).ShouldSatisfyAllConditions(
                again => again.Connections.ShouldBe(holder.Connections),
                again => leases.Single(lease => lease.Id == again.Lease).State.ShouldBe(LeaseState.Active, "who is to move does"));
            (await AskAsync(ledger, orders, claim with { Kind = ClaimKind.Renew })).Connections.ShouldBe(holder.Connections);
        }

        (await ledger.Budgets.BudgetAsync(orders, [Role], Cancellation)).Granted.ShouldBeGreaterThanOrEqualTo(budget.Granted);
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public async Task A_newcomer_joins_the_lease_a_leaver_gives_back_and_the_duties_go_on(string version)
    {
        var (ledger, store, _, orders) = await OpenAsync(version);
        await using var opened = store;
        var before = await ledger.Budgets.BudgetAsync(orders, [Role], Cancellation);
        var active = (await ledger.Leases.LeasesAsync(orders, int.MaxValue, Cancellation)).Single(static lease => lease.State == LeaseState.Active);

        var newcomer = new Claim($"{Role}.newcomer", new(Role, 0, HalfAnHour, 10_000, HalfAnHour), active.Pool, 3, 3, TimeSpan.Zero, TimeSpan.Zero, ClaimKind.Claim, "orders/newcomer");
        (await AskAsync(ledger, orders, newcomer)).Lease.ShouldBe(active.Id);
        (await ledger.Budgets.BudgetAsync(orders, [Role], Cancellation)).Granted.ShouldBe(before.Granted + 3);

        var leaver = (await ledger.Holders.HoldersAsync(orders, active.Id, int.MaxValue, Cancellation)).First(holder => holder.Id != newcomer.Holder);
        (await ledger.Holders.ReleaseAsync(orders, leaver.Id, Cancellation)).Had.ShouldNotBeNull().Connections.ShouldBe(leaver.Connections);

        var duties = (await ledger.Duties.DutiesAsync(orders, int.MaxValue, Cancellation)).Select(static duty => duty.Name).ToArray();
        foreach (var kind in new[] { DutyKinds.Renew, DutyKinds.Verify, DutyKinds.Expire }) duties.ShouldContain($"{kind}:{active.Id}");
    }

    private static async Task<ClaimAnswer.Granted> AskAsync(SharedLedger ledger, string orders, Claim claim) =>
        (await ledger.Claims.ClaimAsync(orders, LedgerFiles.Pace, 100, [claim], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Granted>();

    private async Task<(SharedLedger Ledger, FileLedgerStore Store, JsonNode Told, string Orders)> OpenAsync(string version)
    {
        var recorded = Repository.PathOf($"Broker.Tests/Ledger/Earlier/{version}");
        var told = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(recorded, "ledger.json"), Cancellation))!;
        var file = Path.Combine(directory, "ledger.db");
        File.Copy(Path.Combine(recorded, "ledger.db"), file);
        var store = new FileLedgerStore(new() { Kind = Core.Catalog.LedgerKind.File, Path = file }, new FakeTimeProvider((DateTimeOffset)told["recordedAt"]!), NullLogger<FileLedgerStore>.Instance);
        var ledger = new SharedLedger(store);

        // A database's records are with those of the other databases of its server, whose name is written down.
        var server = (await ledger.Texts.ReadSharedAsync("on:orders", Cancellation)).ShouldNotBeNull().Text.Split('|')[1];
        return (ledger, store, told, LedgerKeys.Address(server, "orders"));
    }
}
