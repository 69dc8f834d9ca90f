using Broker.Core.Ledger;
using LoadTests.FromInside.Capacity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations.Capacity;

public sealed class HashSlotsTests
{
    // From Redis' documentation: CLUSTER KEYSLOT, and the check value of the Cluster specification.
    [Theory]
    [InlineData("somekey", 11058)]
    [InlineData("foo{hash_tag}", 2515)]
    [InlineData("bar{hash_tag}", 2515)]
    [InlineData("123456789", 0x31C3)]
    public void A_key_lies_in_the_slot_that_Redis_documents(string key, int slot) => HashSlots.Of(key).ShouldBe(slot);

    [Fact]
    public void What_stands_in_the_first_braces_decides_and_empty_ones_do_not()
    {
        HashSlots.Of("{user1000}.following").ShouldBe(HashSlots.Of("user1000"));
        HashSlots.Of("foo{bar}{zap}").ShouldBe(HashSlots.Of("bar"));
        HashSlots.Of("foo{{bar}}zap").ShouldBe(HashSlots.Of("{bar"));
        HashSlots.Of("foo{}{bar}").ShouldNotBe(HashSlots.Of("bar"));
    }

    [Fact]
    public void All_keys_of_a_database_lie_in_one_slot_and_databases_in_many()
    {
        var slots = Enumerable.Range(0, 50).Select(number => LedgerKeys.Of($"db-{number:00}").Select(HashSlots.Of).Distinct().ShouldHaveSingleItem()).ToArray();
        slots.Distinct().Count().ShouldBeGreaterThan(45);
        LedgerKeys.Of("server-1/orders").Concat(LedgerKeys.Of("server-1/billing")).Select(HashSlots.Of).Distinct().ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Each_master_has_an_equal_range_of_slots(int masters)
    {
        var counts = Enumerable.Range(0, 16_384).GroupBy(slot => HashSlots.MasterOf(slot, masters)).Select(static group => group.Count()).ToArray();
        counts.Length.ShouldBe(masters);
        (counts.Max() - counts.Min()).ShouldBeLessThanOrEqualTo(1);
    }
}
