using Broker.Core.Issuing.BuiltIn;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.BuiltIn;

public sealed class UserNamesTests
{
    private const string Long = "a-role-with-a-name-that-goes-on-and-on";

    [Theory]
    [InlineData("orders-api", 63, "^b-orders-api-[a-z2-7]{16}$")]
    [InlineData("twenty-characters-ab", 63, "^b-twenty-characters-ab-[a-z2-7]{16}$")]
    [InlineData(Long, 63, "^b-a-role-with-a-[a-z2-7]{6}-[a-z2-7]{16}$")]
    [InlineData("orders-api", 32, "^b-orders-api-[a-z2-7]{16}$")]
    [InlineData(Long, 32, "^b-a-role-[a-z2-7]{6}-[a-z2-7]{16}$")]
    public void Names_tell_the_role_and_fit_the_engine(string role, int maxLength, string pattern)
    {
        var name = UserNames.New(role, maxLength);

        name.ShouldMatch(pattern);
        name.Length.ShouldBeLessThanOrEqualTo(maxLength);
        name.ShouldStartWith(UserNames.Prefix(role, maxLength));
        UserNames.IsOf(name, role, maxLength).ShouldBeTrue();
    }

    [Fact]
    public void Names_do_not_repeat() =>
        Enumerable.Range(0, 1000).Select(_ => UserNames.New("orders-api", 63)).Distinct().Count().ShouldBe(1000);

    [Theory]
    [InlineData("orders-api", 63)]
    [InlineData(Long, 32)]
    public void A_marked_name_is_as_good_as_the_one_it_was_made_of_and_tells_the_mark(string role, int maxLength)
    {
        var plain = UserNames.New(role, maxLength);
        var marked = UserNames.Marked(plain, "ab27");
        (marked.Length, UserNames.IsOf(marked, role, maxLength)).ShouldBe((plain.Length, true), "brokers of earlier versions know it too");
        UserNames.MarkOf(marked).ShouldBe("ab27");
        UserNames.MarkOf(marked[..^1] + (marked[^1] == 'a' ? 'b' : 'a')).ShouldBeNull();
        Enumerable.Range(0, 1000).Select(_ => UserNames.Marked(UserNames.New(role, maxLength), "ab27")).Distinct().Count().ShouldBe(1000);
    }

    [Fact]
    public void Marks_stay_the_same_for_ever() =>
        UserNames.Marked("b-orders-api-aaaaaaaaaaaaaaaa", "ab27").ShouldBe("b-orders-api-ab27aaaaaaaaa7na");

    [Theory]
    [InlineData("b-orders-api-abcdefghijklmnop")]
    [InlineData("b-x")]
    [InlineData("")]
    public void A_name_of_an_earlier_version_has_no_mark(string name) => UserNames.MarkOf(name).ShouldBeNull();

    [Theory]
    [InlineData("orders", "orders-api")]
    [InlineData("orders-api", "orders")]
    [InlineData(Long, Long + "-2")]
    [InlineData(Long, "a-role-with-a")]
    public void A_roles_users_are_not_anothers(string role, string other) =>
        UserNames.IsOf(UserNames.New(role, 63), other, 63).ShouldBeFalse();

    [Fact]
    public void Prefixes_stay_the_same_for_ever() => UserNames.Prefix(Long, 63).ShouldBe("b-a-role-with-a-53nm2y-");
}
