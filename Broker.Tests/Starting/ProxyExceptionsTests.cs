using System.Net;
using Broker.Api.Starting;
using Shouldly;
using Xunit;

namespace Broker.Tests.Starting;

public sealed class ProxyExceptionsTests
{
    private static readonly Uri Proxy = new("http://proxy.example:3128");

    [Theory]
    [InlineData("*", "https://vault.example", true)]
    [InlineData("10.0.0.0/8", "https://10.1.2.3:8200", true)]
    [InlineData("10.0.0.0/8", "https://11.1.2.3:8200", false)]
    [InlineData("10.0.0.0/8", "https://vault.example", false)]
    [InlineData("fd00::/8", "https://[fd00::1]:8200", true)]
    [InlineData("127.0.0.1", "http://127.0.0.1:8200", true)]
    [InlineData(".svc", "https://vault.vault.svc:8200", true)]
    [InlineData("svc", "https://vault.vault.svc:8200", true)]
    [InlineData("*.example", "https://vault.example", true)]
    [InlineData("example", "https://vault.example", true)]
    [InlineData("ample", "https://vault.example", false)]
    [InlineData("vault.example:8200", "https://vault.example:8200", true)]
    [InlineData("vault.example:8200", "https://vault.example:8201", false)]
    [InlineData(" other.example , VAULT.example ", "https://vault.example", true)]
    [InlineData("localhost 10.0.0.0/8 .svc", "https://vault.vault.svc:8200", true)]
    [InlineData("localhost 10.0.0.0/8 .svc", "https://10.1.2.3:8200", true)]
    [InlineData("10.1.2.3:8200", "https://10.1.2.3:8200", true)]
    [InlineData("10.1.2.3:8200", "https://10.1.2.3:8201", false)]
    [InlineData("[fd00::1]", "https://[fd00::1]:8200", true)]
    [InlineData("[fd00::1]:8200", "https://[fd00::1]:8200", true)]
    [InlineData("[fd00::1]:8200", "https://[fd00::1]:8201", false)]
    [InlineData("", "https://vault.example", false)]
    public void Exceptions_are_read_as_clusters_and_companies_write_them(string exceptions, string host, bool direct)
    {
        var proxy = new ProxyExceptions(new WebProxy(Proxy), exceptions);
        proxy.IsBypassed(new(host)).ShouldBe(direct);
        proxy.GetProxy(new(host)).ShouldBe(direct ? null : Proxy);
    }
}
