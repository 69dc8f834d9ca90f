using Broker.Core.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Identity;

/// <summary>What a holder's connections are called in the database.</summary>
public sealed class HolderNameTests
{
    private const string Holder = "orders-api.sR3lCOZasfSfGIpv";

    [Theory]
    [InlineData("orders/orders-api-6f7c9d-x2x9q", "orders/orders-api-6f7c9d-x2x9q~sfSfGIpv")]
    [InlineData("repo:org/app:ref:refs/heads/main", "repo_org/app_ref_refs/heads/main~sfSfGIpv")]
    [InlineData("anna@example.org' OR 1=1; --", "anna_example.org__OR_1_1__--~sfSfGIpv")]
    [InlineData("päss\n\0🔑", "p_ss____~sfSfGIpv")]
    [InlineData("", "~sfSfGIpv")]
    public void The_name_is_the_caller_and_the_key_of_the_holder(string caller, string name)
    {
        HolderName.Of(caller, Holder).ShouldBe(name);
        HolderName.TryReadKey(name, out var key).ShouldBeTrue();
        key.ToString().ShouldBe("sfSfGIpv");
    }

    [Fact]
    public void A_long_one_keeps_its_beginning_and_its_end_because_pods_differ_there()
    {
        var ns = new string('n', 63);
        var (one, other) = (HolderName.Of($"{ns}/orders-api-6f7c9d-x2x9q", Holder), HolderName.Of($"{ns}/orders-api-6f7c9d-k4b7w", Holder));

        one.Length.ShouldBe(HolderName.Longest);
        one.ShouldStartWith("nnnn");
        one.ShouldEndWith("/orders-api-6f7c9d-x2x9q~sfSfGIpv");
        other.ShouldNotBe(one);
    }

    [Fact]
    public void The_processes_of_one_pod_have_names_of_their_own()
    {
        HolderName.Of("orders/pod", "orders-api.sR3lCOZasfSfGIpvAAAAAAAAAAAA").ShouldNotBe(HolderName.Of("orders/pod", "orders-api.sR3lCOZasfSfGIpvBBBBBBBBBBBB"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("psql")]
    [InlineData("sfSfGIpv")]
    [InlineData("pgAdmin 4 - DB:postgres")]
    [InlineData("orders/pod~short")]
    [InlineData("orders/pod~abcd~efg~")]
    public void A_name_that_is_none_of_the_brokers_has_no_key(string name) => HolderName.TryReadKey(name, out _).ShouldBeFalse();
}
