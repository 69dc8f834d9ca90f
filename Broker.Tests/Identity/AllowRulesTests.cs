using Broker.Core.Catalog;
using Broker.Core.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Identity;

public class AllowRulesTests
{
    [Theory]
    [InlineData("namespace", "shop", true)]
    [InlineData("serviceaccount", "orders", true)]
    [InlineData("pod", "orders-1", true)]
    [InlineData("kubernetes.io/namespace", "shop", true)]
    [InlineData("kubernetes.io/pod/uid", "uid-1", true)]
    [InlineData("namespace", "Shop", false)]
    [InlineData("namespace", "sho", false)]
    [InlineData("namespace", "shop ", false)]
    [InlineData("Namespace", "shop", false)]
    [InlineData("missing", "", false)]
    public void A_claim_matches_by_its_path_and_exact_value(string path, string value, bool matches) =>
        Rule("kubernetes", (path, value)).Matches(Callers.Pod()).ShouldBe(matches);

    [Fact]
    public void Every_claim_must_match()
    {
        Rule("kubernetes", ("namespace", "shop"), ("serviceaccount", "orders")).Matches(Callers.Pod()).ShouldBeTrue();
        Rule("kubernetes", ("namespace", "shop"), ("serviceaccount", "other")).Matches(Callers.Pod()).ShouldBeFalse();
    }

    [Fact]
    public void The_same_claims_from_another_issuer_do_not_match() =>
        Rule("ci", ("namespace", "shop")).Matches(Callers.Pod()).ShouldBeFalse();

    [Fact]
    public void An_array_matches_by_any_of_its_elements() =>
        Rule("people", ("groups", "dba")).Matches(Callers.Of("people", "ann", ("groups", "dev"), ("groups", "dba"))).ShouldBeTrue();

    [Fact]
    public void The_short_names_are_ordinary_claims_in_a_token_that_is_not_from_Kubernetes() =>
        Rule("ci", ("namespace", "x")).Matches(Callers.Of("ci", "job", ("namespace", "x"))).ShouldBeTrue();

    [Fact]
    public void A_Kubernetes_token_cannot_have_its_namespace_overridden_by_a_claim_of_that_name() =>
        Rule("kubernetes", ("namespace", "admin"))
            .Matches(Callers.Of("kubernetes", "s", ("kubernetes.io/namespace", "shop"), ("namespace", "admin"))).ShouldBeFalse();

    [Fact]
    public void L7_A_rule_without_claims_and_a_list_without_rules_mean_nobody()
    {
        Rule("kubernetes").Matches(Callers.Pod()).ShouldBeFalse();
        Array.Empty<AllowRule>().Allow(Callers.Pod()).ShouldBeFalse();
    }

    private static AllowRule Rule(string issuer, params (string Path, string Value)[] claims) =>
        new(issuer, claims.ToDictionary(claim => claim.Path, claim => claim.Value));
}
