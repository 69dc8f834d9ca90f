using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Model;
using CsCheck;
using Shouldly;
using Xunit;

namespace Broker.Tests.Identity;

public class HolderIdTests
{
    private static readonly Gen<string> Given = Gen.Char["abcXYZ019._:/-"].Array[1, 40].Select(characters => new string(characters));

    [Fact]
    public void L11_A_pod_that_asks_again_is_the_same_holder() =>
        HolderId.For("orders-api", Callers.Pod(), null).ShouldBe(HolderId.For("orders-api", Callers.Pod(), null));

    [Fact]
    public void L11_Two_pods_of_one_account_that_give_the_same_id_stay_apart()
    {
        var (one, other) = (Callers.Pod(uid: "uid-1"), Callers.Pod(uid: "uid-2"));
        HolderId.For("r", one, "same").ShouldNotBe(HolderId.For("r", other, "same"));
        HolderId.For("r", one, "same").BelongsTo(one).ShouldBeTrue();
        HolderId.For("r", one, "same").BelongsTo(other).ShouldBeFalse();
    }

    [Fact]
    public void L11_No_given_id_reaches_a_holder_of_another_pod_or_the_own_one_without_id() =>
        Gen.Select(Given, Given, Given).Sample((mine, theirs, given) =>
        {
            if (mine == theirs) return;
            var (me, them) = (Callers.Pod(uid: mine), Callers.Pod(uid: theirs));
            var id = HolderId.For("r", me, given);
            id.ShouldNotBe(HolderId.For("r", them, null));
            id.ShouldNotBe(HolderId.For("r", me, null));
            id.ShouldNotBe(HolderId.For("r", them, given));
            id.BelongsTo(me).ShouldBeTrue();
            id.BelongsTo(them).ShouldBeFalse();
        });

    [Fact]
    public void L11_Shifting_a_letter_from_one_part_of_the_identity_to_the_next_is_another_identity() =>
        Gen.Select(Gen.String, Gen.String).Sample((left, right) =>
        {
            if (right.Length == 0) return;
            Callers.Of(left, right).OwnerHash.ShouldNotBe(Callers.Of(left + right[0], right[1..]).OwnerHash);
        });

    [Fact]
    public void An_owner_without_a_pod_is_not_the_one_whose_pod_has_an_empty_uid() =>
        Callers.Of("i", "s").OwnerHash.ShouldNotBe(Callers.Of("i", "s", ("kubernetes.io/pod/uid", "")).OwnerHash);

    [Theory]
    [InlineData("x")]
    [InlineData(null)]
    public void An_id_reads_back_with_its_role(string? given)
    {
        var id = HolderId.For("a-role_9", Callers.Pod(), given);
        HolderId.TryParse(id.Value, out var read).ShouldBeTrue();
        read.ShouldBe(id);
        read.Role.ShouldBe("a-role_9");
        read.BelongsTo(Callers.Pod()).ShouldBeTrue();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("orders-api")]
    [InlineData("orders-api.short")]
    [InlineData(".aaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("Role.aaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("a.b.aaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("role.aaaaaaaaaaaaaaaaaaaaaaaaaaaa\n")]
    [InlineData("role.aaaaaaaaaaaaaaaaaaaaaaaaaaa|")]
    [InlineData("role.aaaaaaaaaaaaaaaaaaaa")]
    public void What_is_no_id_does_not_read(string? text) => HolderId.TryParse(text, out _).ShouldBeFalse();

    [Theory]
    [InlineData("a", true)]
    [InlineData("Job:12/attempt-3_x.y", true)]
    [InlineData("", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("é", false)]
    [InlineData("a|b", false)]
    public void A_given_id_is_plain_characters(string given, bool valid)
    {
        (HolderId.WhyNot(Callers.Pod(), given) is null).ShouldBe(valid);
        if (!valid) Should.Throw<ArgumentException>(() => HolderId.For("r", Callers.Pod(), given));
    }

    [Fact]
    public void A_given_id_is_at_most_128_long()
    {
        HolderId.WhyNot(Callers.Pod(), new string('a', 128)).ShouldBeNull();
        HolderId.WhyNot(Callers.Pod(), new string('a', 129)).ShouldNotBeNull();
    }

    [Fact]
    public void L2_Two_processes_that_share_a_token_without_a_pod_are_never_taken_for_one()
    {
        var pipeline = Callers.Of("ci", "project:orders", ("jti", "one-token"));
        HolderId.WhyNot(pipeline, null).ShouldNotBeNull().ShouldContain("Send 'holder'");
        Should.Throw<ArgumentException>(() => HolderId.For("r", pipeline, null));
        HolderId.For("r", pipeline, "job-1").ShouldNotBe(HolderId.For("r", pipeline, "job-2"));
    }

    [Fact]
    public void L11_A_process_without_a_pod_stays_the_same_holder_when_its_token_is_renewed()
    {
        var (before, after) = (Callers.Of("ci", "project:orders", ("jti", "first")), Callers.Of("ci", "project:orders", ("jti", "second")));
        HolderId.For("r", after, "job-1").ShouldBe(HolderId.For("r", before, "job-1"));
        HolderId.For("r", before, "job-1").BelongsTo(after).ShouldBeTrue();
    }

    [Theory]
    [InlineData(SharingScope.Role, true, true)]
    [InlineData(SharingScope.Workload, true, false)]
    [InlineData(SharingScope.Holder, false, false)]
    public void A_pool_is_shared_as_far_as_its_role_says(SharingScope scope, bool sameAccount, bool otherAccount)
    {
        var pool = PoolOf(scope, Callers.Pod());
        pool.ShouldBe(PoolOf(scope, Callers.Pod()));
        (pool == PoolOf(scope, Callers.Pod(uid: "uid-2"))).ShouldBe(sameAccount);
        (pool == PoolOf(scope, Callers.Pod(account: "other"))).ShouldBe(otherAccount);
        pool.Role.ShouldBe("r");
    }

    private static Pool PoolOf(SharingScope scope, Caller caller) =>
        Pool.For(new Role { Name = "r", Database = "d", Issuer = "i", Sharing = scope }, caller, HolderId.For("r", caller, null));
}
