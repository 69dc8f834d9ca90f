using System.Text;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed class LocalIdentityTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pod_token_has_the_shape_of_a_projected_service_account_token()
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: Cancellation);

        var claims = Claims(identity.PodToken(7));

        claims.Select(claim => claim.Key).ShouldBe(["aud", "exp", "iat", "iss", "jti", "nbf", "sub", "kubernetes.io"]);
        claims["aud"]!.AsArray().Select(audience => audience!.GetValue<string>()).ShouldBe(["broker"]);
        claims["iss"]!.GetValue<string>().ShouldBe(identity.Issuer);
        claims["sub"]!.GetValue<string>().ShouldBe("system:serviceaccount:orders:orders-api");
        (claims["exp"]!.GetValue<long>() - claims["iat"]!.GetValue<long>()).ShouldBe(3600);
        var kubernetes = claims["kubernetes.io"]!.AsObject();
        kubernetes.Select(claim => claim.Key).ShouldBe(["namespace", "pod", "serviceaccount"]);
        kubernetes["namespace"]!.GetValue<string>().ShouldBe("orders");
        kubernetes["pod"]!["name"]!.GetValue<string>().ShouldBe("orders-api-7");
        kubernetes["pod"]!["uid"]!.GetValue<string>().ShouldBe(LocalIdentity.PodUid(7));
        Guid.TryParse(kubernetes["serviceaccount"]!["uid"]!.GetValue<string>(), out _).ShouldBeTrue();
    }

    [Fact]
    public void Pods_differ_and_stay_the_same()
    {
        LocalIdentity.PodUid(1).ShouldBe(LocalIdentity.PodUid(1));
        LocalIdentity.PodUid(1).ShouldNotBe(LocalIdentity.PodUid(2));
    }

    [Fact]
    public async Task Good_tokens_are_believed_and_every_bad_one_is_not()
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: Cancellation);

        (await FailureAsync(identity, identity.PodToken(1))).ShouldBeNull();
        (await FailureAsync(identity, identity.ViewerToken())).ShouldBeNull();
        (await FailureAsync(identity, identity.OperatorToken())).ShouldBeNull();
        (await FailureAsync(identity, identity.PodToken(1, new() { Signature = TokenSignature.ForeignKey })))
            .ShouldBeOfType<SecurityTokenInvalidSignatureException>();
        (await FailureAsync(identity, identity.PodToken(1, new() { Signature = TokenSignature.None })))
            .ShouldBeAssignableTo<SecurityTokenException>();
        (await FailureAsync(identity, identity.PodToken(1, new() { Lifetime = TimeSpan.FromMinutes(-10) })))
            .ShouldBeOfType<SecurityTokenExpiredException>();
        (await FailureAsync(identity, identity.PodToken(1, new() { Audience = ["somebody-else"] })))
            .ShouldBeOfType<SecurityTokenInvalidAudienceException>();
    }

    [Fact]
    public async Task After_a_rotation_old_tokens_are_good_only_while_their_key_is_kept()
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: Cancellation);
        var old = identity.PodToken(1);

        identity.RotateKey();
        (await FailureAsync(identity, old)).ShouldBeNull();
        (await FailureAsync(identity, identity.PodToken(1))).ShouldBeNull();

        identity.RotateKey(keepOld: false);
        (await FailureAsync(identity, old)).ShouldBeAssignableTo<SecurityTokenException>();
        (await FailureAsync(identity, identity.PodToken(1))).ShouldBeNull();
    }

    [Fact]
    public async Task The_key_file_holds_the_same_keys_as_the_server()
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: Cancellation);
        var file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.json");
        try
        {
            await identity.WriteJwksFileAsync(file, Cancellation);
            using var client = new HttpClient();

            (await File.ReadAllTextAsync(file, Cancellation)).ShouldBe(await client.GetStringAsync(new Uri(identity.Authority, "/jwks"), Cancellation));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static JsonObject Claims(string token) =>
        JsonNode.Parse(Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(token.Split('.')[1])))!.AsObject();

    private static async Task<Exception?> FailureAsync(LocalIdentity identity, string token)
    {
        var discovery = new ConfigurationManager<OpenIdConnectConfiguration>(
            new Uri(identity.Authority, "/.well-known/openid-configuration").AbsoluteUri,
            new OpenIdConnectConfigurationRetriever(),
            new HttpDocumentRetriever { RequireHttps = false });
        var configuration = await discovery.GetConfigurationAsync(Cancellation);
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = configuration.Issuer,
            ValidAudience = "broker",
            IssuerSigningKeys = configuration.SigningKeys,
        });
        return result.Exception;
    }
}
