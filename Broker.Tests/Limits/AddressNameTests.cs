using System.Net;
using Broker.Core.Limits;
using Shouldly;
using Xunit;

namespace Broker.Tests.Limits;

public sealed class AddressNameTests
{
    [Theory]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("fe80::1%1", "fe80::1%2", true)]
    public void An_IPv6_address_stands_for_its_network_and_an_IPv4_address_for_itself(string one, string other, bool same) =>
        (AddressName.Of(IPAddress.Parse(one)) == AddressName.Of(IPAddress.Parse(other))).ShouldBe(same);

    [Fact]
    public void No_address_has_a_name_too() => AddressName.Of(null).ShouldBe("");
}
