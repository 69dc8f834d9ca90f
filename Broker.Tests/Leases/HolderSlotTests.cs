using System.Text;
using Broker.Core.Identity;
using Broker.Core.Leases.Logins;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A text that is the same for all holders except for their names.</summary>
public sealed class HolderSlotTests
{
    private const string Holder = "orders-api.sR3lCOZasfSfGIpv";

    [Theory]
    [InlineData("orders/pod-1")]
    [InlineData("")]
    [InlineData("a/very/long/subject/with/many/slashes/and/more/than/fits/into/the/name/of/a/connection")]
    public void A_name_stands_where_a_mark_was_with_slashes_as_the_place_wants_them(string caller)
    {
        var slot = HolderSlot.Of(Encoding.UTF8.GetBytes($"[{HolderSlot.Mark}|{Uri.EscapeDataString(HolderSlot.Mark)}|ä]"));
        var bytes = new byte[slot.Longest];

        var length = slot.Write(caller, Holder, bytes);

        var name = HolderName.Of(caller, Holder);
        Encoding.UTF8.GetString(bytes, 0, length).ShouldBe($"[{name}|{name.Replace("/", "%2F", StringComparison.Ordinal)}|ä]");
    }

    [Fact]
    public void A_text_without_a_mark_stays_as_it_is()
    {
        var slot = HolderSlot.Of("nothing to fill in"u8);
        var bytes = new byte[slot.Longest];

        slot.Write("orders/pod", Holder, bytes).ShouldBe(bytes.Length);
        Encoding.UTF8.GetString(bytes).ShouldBe("nothing to fill in");
    }
}
