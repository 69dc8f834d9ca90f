using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>What people are shown of a holder, as the ledger has it: also where somebody else wrote it.</summary>
public sealed class HolderTextTests
{
    private const string Divider = "\u001f";

    [Theory]
    [InlineData("shop/orders-1", "shop/orders-1", null, null, null)]
    [InlineData("1700000000|shop/orders-1", "shop/orders-1", null, null, 1_700_000_000L)]
    [InlineData("1700000000|shop/orders-1|node-1|shop", "shop/orders-1", "node-1", "shop", 1_700_000_000L)]
    [InlineData("177073608051458051||team", "177073608051458051", null, "team", null)]
    [InlineData("1700000000||team", "1700000000", null, "team", null)]
    [InlineData("1700000000|177073608051458051||team", "177073608051458051", null, "team", 1_700_000_000L)]
    [InlineData("177073608051458051|x", "177073608051458051", "x", null, null)]
    [InlineData("-1|x", "-1", "x", null, null)]
    [InlineData("253402300800|x|y|z", "253402300800", "x", "y", null)]
    [InlineData("1700000000|a|b|c|d", "1700000000", "a", "b", null)]
    public void A_number_is_a_time_only_where_one_may_stand(string text, string caller, string? node, string? team, long? since) =>
        HolderText.Read(text.Replace("|", Divider, StringComparison.Ordinal)).ShouldBe((caller, node, team, since is { } seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null));
}
