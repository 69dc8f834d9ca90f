using Broker.Core.Issuing.Vault;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>Which users of a database Vault made for a role; the first five names are recorded ones.</summary>
public sealed class VaultUserNamesTests
{
    [Theory]
    [InlineData("v-approle-app-post-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/app-postgres")]
    [InlineData("v-token-app-post-2YGXsp0jicymaV09B8XW-1795469096", "database/creds/app-postgres")]
    [InlineData("v-token-app-shor-PxFqPNjolQiOi7gjSVj6-1795469087", "database/creds/app-short")]
    [InlineData("v-approle-app-mysql-Fh81WAejEWfa", "database/creds/app-mysql")]
    [InlineData("v-approle-app-mysql-XQ7mCmy0go5V", "database/creds/app-mysql")]
    [InlineData("v-kubernetes-shop-orders-api-8eif1vKwW3ha0Jq8IyhI-1795469086", "team/orders/creds/orders-api")]
    public void A_name_by_Vaults_template_is_known_as_its_roles(string username, string path) => VaultUserNames.IsOf(username, path).ShouldBeTrue();

    [Theory]
    [InlineData("v-token-token-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/token")]
    [InlineData("v-kubernetes-shop-shop-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/shop")]
    [InlineData("v-a-a-a-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/a")]
    public void A_display_name_that_holds_the_roles_hides_nothing(string username, string path) => VaultUserNames.IsOf(username, path).ShouldBeTrue();

    [Theory]
    [InlineData("v-token-app-post-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/app-mysql")]
    [InlineData("v-shop-orders-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/shop")]
    [InlineData("token-shop-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/shop")]
    [InlineData("V-token-shop-8eif1vKwW3ha0Jq8IyhI-1795469086", "database/creds/shop")]
    [InlineData("v-token-shop-8eif1vKwW3ha0Jq8IyhIx-1795469086", "database/creds/shop")]
    [InlineData("v-token-shop-8eif1vKwW3ha0Jq8IyhI-yesterday", "database/creds/shop")]
    [InlineData("v-token-shop-8eif 1vKwW3ha0Jq8IyhI", "database/creds/shop")]
    [InlineData("v-token-shop-", "database/creds/shop")]
    [InlineData("v-token-shop", "database/creds/shop")]
    [InlineData("v-", "database/creds/shop")]
    public void Another_roles_name_or_one_that_a_person_chose_is_not(string username, string path) => VaultUserNames.IsOf(username, path).ShouldBeFalse();

    [Fact]
    public void The_time_at_the_end_is_when_it_was_created_where_there_was_room_for_it()
    {
        VaultUserNames.CreatedAt("v-token-app-post-2YGXsp0jicymaV09B8XW-1795469096").ShouldBe(new DateTimeOffset(2026, 11, 23, 21, 24, 56, TimeSpan.Zero));
        VaultUserNames.CreatedAt("v-approle-app-mysql-Fh81WAejEWfa").ShouldBeNull();
        VaultUserNames.CreatedAt("b-orders-api-1795469096").ShouldBeNull();
    }
}
