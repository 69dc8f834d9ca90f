using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>
/// Slashes as clients write them: two where an address ends with one and a path begins with one (vault-java-driver#132, VaultSharp#150, vault-ruby#344),
/// and escaped ones. Vault redirects the former; clients follow that without their token, or with another verb.
/// </summary>
public sealed class SlashesTests
{
    [Theory]
    [InlineData("//v1/database/creds/orders-api")]
    [InlineData("/v1//database/creds/orders-api")]
    [InlineData("/v1/database//creds///orders-api")]
    [InlineData("///v1/team-a//database/creds/orders-api")]
    [InlineData("/v1%2Fdatabase%2fcreds%2Forders-api")]
    public async Task Several_are_one_and_an_escaped_one_is_one(string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var (status, text) = await SendAsync(replica, HttpMethod.Get, path, caller.Token);

        status.ShouldBe(200, text);
        ((string)JsonNode.Parse(text)!["lease_id"]!).ShouldStartWith("database/creds/orders-api/");
    }

    [Theory]
    [InlineData("//v1")]
    [InlineData("//v1/database/creds/nosuch")]
    [InlineData("/v1%2Fdatabase")]
    [InlineData("//v1/..%2Fapi%2Fv1%2Froles")]
    public async Task What_is_refused_is_refused_in_Vaults_shape(string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var (status, text) = await SendAsync(replica, HttpMethod.Get, path, caller.Token);

        status.ShouldBeInRange(400, 404, text);
        JsonNode.Parse(text)!["errors"].ShouldBeOfType<JsonArray>();
    }

    [Fact]
    public async Task A_login_whose_address_ends_with_a_slash_is_one()
    {
        await using var world = new BrokerWorld();
        using var content = new StringContent(new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() }.ToJsonString());

        var (status, text) = await SendAsync(await world.ReplicaAsync(), HttpMethod.Post, "//v1/auth/kubernetes/login", null, content);

        status.ShouldBe(200, text);
    }

    [Theory]
    [InlineData("//v1/auth/token/lookup/")]
    [InlineData("/v1/auth//token/lookup/")]
    [InlineData("/v1/auth%2Ftoken%2flookup%2F")]
    [InlineData("/v1%2Fauth/token//renew/")]
    public async Task L6_a_token_in_an_address_is_not_recorded_however_its_slashes_are_written(string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        (await SendAsync(replica, HttpMethod.Get, path + caller.Token, caller.Token)).Status.ShouldBe(404);

        world.AuditLines().ShouldNotContain(line => line.Contains(caller.Token!, StringComparison.Ordinal));
        world.AuditLines().ShouldContain(line => line.Contains("/v1/auth/token/", StringComparison.Ordinal));
    }

    // As a client would that has never heard of relative addresses.
    private static async Task<(int Status, string Text)> SendAsync(HttpClient replica, HttpMethod method, string path, string? token, HttpContent? content = null)
    {
        using var request = new HttpRequestMessage(method, new Uri($"http://localhost{path}", UriKind.Absolute)) { Content = content };
        if (token is not null) request.Headers.Add("X-Vault-Token", token);
        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
