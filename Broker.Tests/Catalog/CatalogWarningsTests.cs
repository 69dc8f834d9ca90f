using Broker.Core.Catalog;
using Shouldly;
using Xunit;

namespace Broker.Tests.Catalog;

/// <summary>Configuration that reads well and means nothing is told, wherever it stands, and what is meant is not.</summary>
public sealed class CatalogWarningsTests
{
    private const string MaxTtl = "VaultApi:Tokens:MaxTtl";

    [Theory]
    [InlineData("Roles:orders-api:Allow:0", "Broker:Roles:orders-api:Allow", "nobody gets the role")]
    [InlineData("Identity:Viewers:0", "Broker:Identity:Viewers", "nobody may look")]
    [InlineData("Identity:Operators:0", "Broker:Identity:Operators", "nobody may steer")]
    [InlineData("Identity:Admins:0", "Broker:Identity:Admins", "nobody is an administrator")]
    [InlineData("Identity:Teams:shop:Members:0", "Broker:Identity:Teams:shop:Members", "nobody is in the team")]
    public void A_claim_that_no_token_has_is_told_in_every_list(string rule, string path, string then)
    {
        var warning = Warnings((rule + ":Issuer", "kubernetes"), (rule + ":Claims:namespaces", "shop")).ShouldHaveSingleItem();

        warning.Path.ShouldBe(path);
        warning.Text.ShouldContain("'namespaces'");
        warning.Text.ShouldContain(then);
        warning.Text.ShouldContain("Do you mean 'namespace'?");
        Warnings((rule + ":Issuer", "kubernetes"), (rule + ":Claims:namespace", "shop")).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("Ceiling", "5", "6", true)]
    [InlineData("Ceiling", "5", "5", false)]
    [InlineData("Ceiling", "0", "6", false)] // an order to give nobody anything
    [InlineData("Limit", "10", "8", true)] // 70 % of it
    [InlineData("Limit", "10", "7", false)]
    [InlineData("SampleEvery", "00:00:02", "10", false)] // only the server knows
    public void A_role_whose_least_is_more_than_its_database_ever_promises_is_told(string budget, string value, string min, bool told)
    {
        var warnings = Warnings(("Databases:orders:Budget:" + budget, value), ("Roles:orders-api:Connections:Min", min), ("Roles:orders-api:Connections:Default", min));

        warnings.Select(warning => warning.Path).ShouldBe(told ? ["Broker:Roles:orders-api:Connections:Min"] : []);
        if (told) warnings[0].Text.ShouldContain("nobody gets the role");
    }

    [Theory]
    [InlineData("10.0.0.7/32", false)]
    [InlineData("10.0.7.0/24", false)]
    [InlineData("10.0.6.0/23", true)]
    [InlineData("10.244.0.0/16", true)]
    [InlineData("0.0.0.0/1", true)]
    [InlineData("fd00:7::/64", false)]
    [InlineData("fd00:7::/63", true)]
    [InlineData("::ffff:10.0.7.0/120", false)]
    [InlineData("::ffff:10.0.0.0/104", true)]
    public void A_network_of_proxies_in_which_others_may_be_is_told(string network, bool told)
    {
        var warnings = Warnings(("Proxies:0", "10.0.0.9/32"), ("Proxies:1", network));

        warnings.Select(warning => warning.Path).ShouldBe(told ? ["Broker:Proxies:1"] : []);
        if (told) warnings[0].Text.ShouldContain($"is {network}, which is more than proxies need");
    }

    [Theory]
    [InlineData("namespace", "shop", false)]
    [InlineData("namespace", "shop-*", true)]
    [InlineData("kubernetes.io/namespace", "shop", false)]
    [InlineData("serviceaccount", "orders", true)]
    [InlineData("sub", "system:serviceaccount:shop:orders", false)]
    [InlineData("sub", "system:serviceaccount:shop:*", false)]
    [InlineData("sub", "system:serviceaccount:*", true)]
    [InlineData("sub", "somebody", true)]
    public void A_role_whose_pods_are_in_no_namespace_that_is_watched_is_told(string claim, string value, bool told)
    {
        var pem = ConfigurationDocumentTests.Pem;
        var warnings = Warnings(
            ("Identity:Issuers:people:Authority", "https://people"), ("Identity:Issuers:people:Audience", "broker"), ("Roles:orders-jobs:Allow:0:Issuer", "people"),
            ("Identity:Issuers:kubernetes:Pods:Address", "https://api"), ("Identity:Issuers:kubernetes:Pods:CaFile", pem), ("Identity:Issuers:kubernetes:Pods:TokenFile", pem),
            ("Roles:orders-api:Allow:1:Issuer", "kubernetes"), ("Roles:orders-api:Allow:1:Claims:" + claim, value));
        warnings.Select(warning => warning.Path).ShouldBe(told ? ["Broker:Identity:Issuers:kubernetes:Pods"] : []);
        if (told) warnings[0].Text.ShouldContain("role 'orders-api'");
    }

    [Fact]
    public void A_client_token_that_can_outlive_its_pod_without_end_is_told()
    {
        var pem = ConfigurationDocumentTests.Pem;
        (string, string?) endless = (MaxTtl, "00:00:00");
        var warning = Warnings(endless).ShouldHaveSingleItem();
        (warning.Path, warning.Text.Contains("'kubernetes' has neither TokenReview nor Pods")).ShouldBe(("Broker:" + MaxTtl, true));

        Warnings(endless, ("VaultApi:Enabled", "false")).ShouldBeEmpty();
        Warnings(endless, ("Identity:Issuers:kubernetes:Pods:Address", "https://api"), ("Identity:Issuers:kubernetes:Pods:CaFile", pem), ("Identity:Issuers:kubernetes:Pods:TokenFile", pem))
            .ShouldNotContain(one => one.Path == "Broker:" + MaxTtl);
    }

    private static IReadOnlyList<CatalogWarning> Warnings(params (string Key, string? Value)[] changes)
    {
        var read = Configured.Read(changes.Any(static change => change.Key == MaxTtl) ? changes : [(MaxTtl, "1.00:00:00"), .. changes]);
        read.Errors.ShouldBeEmpty();
        return CatalogWarnings.Of(read.Catalog!, read.Settings!);
    }
}
