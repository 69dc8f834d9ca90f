using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators.Holdings;
using Broker.Tests.Page;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Holdings;

/// <summary>What was granted and what is open, put together.</summary>
public sealed class HoldingCountTests
{
    private static readonly LeaseRecord Now = Views.Lease("L1", "orders", LeaseState.Active, 2, 8);
    private static readonly LeaseRecord Before = Views.Lease("L0", "orders", LeaseState.Retiring, 1, 3);

    [Fact]
    public void A_holder_has_what_carries_its_name_and_more_than_granted_is_told()
    {
        var (holders, others) = Of([Holder("one", 5), Holder("two", 3)], [Session(Now, "one", 4, idle: 3, inTransaction: 1), Session(Now, "two", 6)]);

        holders[0].Open!.ShouldSatisfyAllConditions(open => open.Connections.ShouldBe(4), open => open.Idle.ShouldBe(3), open => open.IdleInTransaction.ShouldBe(1));
        holders.Select(holder => holder.Over).ShouldBe([0, 3]);
        others.ShouldBeEmpty();
    }

    [Fact]
    public void A_holder_without_open_connections_has_none_where_all_are_named_and_is_not_known_where_some_are_not()
    {
        Of([Holder("one", 5), Holder("two", 3)], [Session(Now, "one", 4)]).Holders[1].Open!.Connections.ShouldBe(0);

        var (holders, others) = Of([Holder("one", 5), Holder("two", 3)], [Session(Now, "one", 4), new(Now.Username, "psql", "10.0.0.9", 2, 2, 0, null, null)]);
        holders.Select(holder => holder.Open?.Connections).ShouldBe([4, null]);
        others.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            other => other.Role.ShouldBe("orders-api", "a lease's user, with no holder's name"), other => other.Program.ShouldBe("psql"), other => other.Address.ShouldBe("10.0.0.9"));
    }

    [Fact]
    public void The_name_of_another_users_session_or_of_a_holder_that_is_gone_is_nobodys()
    {
        var (holders, others) = Of([Holder("one", 5)], [Session(Before, "one", 2), Session(Now, "gone", 1), new("reports", HolderName.Of("x/y", Id("one")), "", 7, 7, 0, null, null)], Now);

        holders.ShouldHaveSingleItem().Open.ShouldBeNull("what the one that is gone has open might be this one's");
        others.Sum(other => other.Open.Connections).ShouldBe(10);
    }

    [Fact]
    public void A_moving_holder_has_the_connections_of_both_leases()
    {
        var moving = Holder("one", 5);
        var (holders, _) = Of([moving, moving with { Id = moving.Id + "~", Lease = Before.Id, Connections = 3 }], [Session(Now, "one", 5), Session(Before, "one", 3)], Now, Before);

        var holder = holders.ShouldHaveSingleItem();
        (holder.Granted, holder.Moving, holder.Open!.Connections, holder.Over).ShouldBe((5, 3, 8, 0));
    }

    [Fact]
    public void Nothing_is_said_of_what_is_open_where_the_database_does_not_answer() =>
        HoldingCount.Of("orders", [Holder("one", 5)], [Now], null).Holders.ShouldHaveSingleItem().Open.ShouldBeNull();

    [Theory]
    [InlineData("shop/api-1", "shop")]
    [InlineData("system:serviceaccount:shop:api", "shop")]
    [InlineData("repo:octo/shop:ref:refs/heads/main", null)]
    [InlineData("ada@example.org", null)]
    public void A_namespace_is_that_of_a_pod_or_a_service_account(string caller, string? space) =>
        Of([Holder("one", 5) with { Caller = caller }], []).Holders[0].Namespace.ShouldBe(space);

    [Fact]
    public void Thousands_are_searched_sorted_and_paged()
    {
        Holding Make(int number) => new(
            "orders", Id($"h{number}"), number % 2 == 0 ? "api" : "web", $"team-{number % 7}/pod-{number:0000}", $"team-{number % 7}", number % 3 == 0 ? "checkout" : null, $"node-{number % 10}",
            "L1", "user", 5, 0, Views.Now.AddMinutes(-number), Views.Now.AddMinutes(number), false, new(number % 11, 0, 0, null, null));
        var all = Enumerable.Range(0, 5000).Select(Make).ToArray();

        var first = new HoldingFilter { Namespace = "team-3", Node = "node-4", Sort = "age", PageSize = 10 }.Of(all);
        (first.Total, first.Pages).ShouldBe((all.Count(holder => holder is { Namespace: "team-3", Node: "node-4" }), (first.Total + 9) / 10));
        first.Holders.Select(holder => holder.Since).ShouldBeInOrder();
        var pages = Enumerable.Range(1, first.Pages).SelectMany(page => new HoldingFilter { Namespace = "team-3", Node = "node-4", Sort = "age", PageSize = 10, Page = page }.Of(all).Holders);
        pages.Select(holder => holder.Id).Distinct().Count().ShouldBe(first.Total, "each is on one page");
        new HoldingFilter { Search = "POD-0123" }.Of(all).Holders.ShouldHaveSingleItem().Caller.ShouldEndWith("pod-0123");
        new HoldingFilter { OnlyOver = true, Team = "checkout", Sort = "over" }.Of(all).Holders.ShouldAllBe(holder => holder.Over > 0 && holder.Team == "checkout");
        new HoldingFilter { Page = 99, PageSize = 1000 }.Of(all).Page.ShouldBe(5, "where there is no such page, the last");
        foreach (var sort in HoldingFilter.Sorts) new HoldingFilter { Sort = sort }.Of(all).Holders.Count.ShouldBe(100);
        new HoldingFilter { Sort = "height" }.WhyNot().ShouldNotBeNull();
        new HoldingFilter { PageSize = 1001 }.WhyNot().ShouldNotBeNull();
    }

    private static string Id(string name) => "orders-api." + name.PadLeft(16, '0');

    private static HolderRecord Holder(string name, int connections) => new(Id(name), "shop/" + name, connections, Views.Now.AddMinutes(5), false) { Lease = Now.Id };

    private static OpenSessions Session(LeaseRecord lease, string name, int open, int idle = 0, int inTransaction = 0) =>
        new(lease.Username, HolderName.Of("shop/" + name, Id(name)), "10.0.0.1", open, idle, inTransaction, null, null);

    private static (IReadOnlyList<Holding> Holders, IReadOnlyList<OtherConnections> Others) Of(IReadOnlyList<HolderRecord> holders, IReadOnlyList<OpenSessions> sessions, params LeaseRecord[] leases) =>
        HoldingCount.Of("orders", holders, leases.Length > 0 ? leases : [Now], sessions);
}
