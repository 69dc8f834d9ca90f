using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using CsCheck;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

public class BudgetCountTests
{
    private static readonly Dictionary<string, int> Nobody = [];

    [Theory]
    [InlineData(200, 3, 70, null, 0, 137, 137)]
    [InlineData(200, 3, 70, null, 10, 137, 127)]
    [InlineData(200, 3, 70, 50, 10, 50, 50)]
    [InlineData(200, 3, 70, 130, 10, 130, 127)]
    [InlineData(200, 3, 100, null, 197, 197, 0)]
    [InlineData(200, 3, 70, null, 190, 137, 0)]
    [InlineData(100, 100, 70, null, 0, 0, 0)]
    [InlineData(200, 3, 70, 0, 0, 0, 0)]
    public void L2_Capacity_is_the_ceilings_share_without_what_others_use(
        int limit, int reserved, int percent, int? dba, int others, int ceiling, int capacity)
    {
        var count = BudgetCount.Of(Sample(limit, reserved, null, new UserConnections("other", others, others)), Settings(percent, dba), Nobody);
        (count.Ceiling, count.Foreign, count.Capacity).ShouldBe((ceiling, others, capacity));
    }

    [Fact]
    public void L2_The_databases_own_limit_counts_only_the_connections_in_it()
    {
        var count = BudgetCount.Of(Sample(200, 3, 40, new UserConnections("other", 20, 5)), Settings(100, null), Nobody);
        (count.Ceiling, count.Foreign, count.Capacity).ShouldBe((40, 20, 35));
    }

    [Fact]
    public void L2_What_a_lease_has_open_beyond_its_grants_counts_as_foreign()
    {
        var granted = new Dictionary<string, int> { ["ours"] = 10 };
        BudgetCount.Of(Sample(100, 0, null, new UserConnections("ours", 8, 8)), Settings(100, null), granted).Foreign.ShouldBe(0);
        BudgetCount.Of(Sample(100, 0, null, new UserConnections("ours", 13, 13)), Settings(100, null), granted).Capacity.ShouldBe(97);
        BudgetCount.Of(Sample(100, 0, 40, new UserConnections("ours", 8, 8)), Settings(100, null), granted).Capacity.ShouldBe(40, "nor of the database's own limit");
        BudgetCount.Of(Sample(100, 0, 40, new UserConnections("ours", 13, 12)), Settings(100, null), granted).Capacity.ShouldBe(38);
    }

    [Fact]
    public void A_user_with_more_open_than_granted_is_named_with_how_many_and_no_other_is()
    {
        var granted = new Dictionary<string, int> { ["fewer"] = 10, ["as many"] = 10, ["more"] = 10 };
        BudgetCount.Of(
            Sample(100, 0, null, new("fewer", 8, 8), new("as many", 10, 10), new("more", 13, 13), new("a stranger", 20, 20), new(null, 5, 5)),
            Settings(100, null), granted).Over.ShouldBe(new Dictionary<string, int> { ["more"] = 3 });
    }

    [Fact]
    public void L8_Connections_of_users_nobody_knows_any_more_are_foreign()
    {
        var count = BudgetCount.Of(
            Sample(100, 0, null, new UserConnections(null, 4, 4), new UserConnections("b-lost", 6, 6)), Settings(100, null), Nobody);
        (count.Foreign, count.Capacity).ShouldBe((10, 90));
    }

    [Fact]
    public void L2_Granted_and_foreign_together_never_pass_what_ordinary_users_can_get() =>
        Gen.Select(Gen.Int[0, 5000], Gen.Int[0, 50], Gen.Int[1, 100], Gen.Int[0, 3000].Nullable(), Gen.Int[0, 3000], Gen.Int[0, 3000].Nullable())
            .Sample((limit, reserved, percent, dba, others, own) =>
            {
                var count = BudgetCount.Of(Sample(limit, reserved, own, new UserConnections("other", others, others)), Settings(percent, dba), Nobody);
                count.Capacity.ShouldBeGreaterThanOrEqualTo(0);
                if (count.Capacity == 0) return;
                (count.Capacity + others).ShouldBeLessThanOrEqualTo(limit - reserved);
                count.Capacity.ShouldBeLessThanOrEqualTo(count.Ceiling);
                if (dba is { } ceiling) count.Capacity.ShouldBeLessThanOrEqualTo(ceiling);
                if (own is { } databaseLimit) (count.Capacity + others).ShouldBeLessThanOrEqualTo(databaseLimit);
            });

    private static ConnectionSample Sample(int limit, int reserved, int? own, params UserConnections[] users) => new(limit, reserved, own, users);

    private static BudgetSettings Settings(int percent, int? ceiling) => new() { CeilingPercent = percent, Ceiling = ceiling };
}
