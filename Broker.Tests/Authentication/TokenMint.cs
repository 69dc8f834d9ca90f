using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Broker.Tests.Authentication;

/// <summary>Makes tokens byte by byte, so that wrong ones can be made too.</summary>
/// <param name="kid">The name of its key.</param>
/// <param name="time">The clock.</param>
/// <param name="pair">Which of the three key pairs of this run signs; making one for every test would take most of its time.</param>
internal sealed class TokenMint(string kid, TimeProvider time, int pair) : IDisposable
{
    public const string Issuer = "https://kubernetes.default.svc";

    private static readonly Lazy<RSAParameters>[] Pairs =
        [.. Enumerable.Range(0, 3).Select(_ => new Lazy<RSAParameters>(() =>
        {
            using var made = RSA.Create(2048);
            return made.ExportParameters(true);
        }))];

    private readonly RSA key = RSA.Create(Pairs[pair].Value);

    public string Jwk
    {
        get
        {
            var parameters = key.ExportParameters(false);
            return $$"""{"kty":"RSA","use":"sig","alg":"RS256","kid":"{{kid}}","n":"{{Base64Url.EncodeToString(parameters.Modulus)}}","e":"{{Base64Url.EncodeToString(parameters.Exponent)}}"}""";
        }
    }

    public static string KeySet(params TokenMint[] mints) => $$"""{"keys":[{{string.Join(',', mints.Select(mint => mint.Jwk))}}]}""";

    /// <summary>A service account token as kube-apiserver 1.36 writes it, valid for an hour, changed as wanted.</summary>
    public string Token(Action<JsonObject>? change = null, Action<JsonObject>? header = null)
    {
        return Sign(Encode(Header("RS256", header)), Encode(Payload(change)));
    }

    /// <summary>A token that says just this text.</summary>
    public string TokenOf(string payload) => Sign(Encode(Header("RS256", null)), Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload)));

    /// <summary>The same without a signature.</summary>
    public string Unsigned(string algorithm) => $"{Encode(Header(algorithm, null))}.{Encode(Payload(null))}.";

    /// <summary>The same signed with HMAC, whose secret is the public key: what a careless verifier would take.</summary>
    public string SignedWithThePublicKey()
    {
        var signed = $"{Encode(Header("HS256", null))}.{Encode(Payload(null))}";
        var secret = Encoding.ASCII.GetBytes(key.ExportSubjectPublicKeyInfoPem());
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(signed)))}";
    }

    public void Dispose() => key.Dispose();

    private string Sign(string header, string payload) =>
        $"{header}.{payload}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes($"{header}.{payload}"), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";

    private JsonObject Header(string algorithm, Action<JsonObject>? change)
    {
        var header = new JsonObject { ["alg"] = algorithm, ["kid"] = kid, ["typ"] = "JWT" };
        change?.Invoke(header);
        return header;
    }

    private JsonObject Payload(Action<JsonObject>? change)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var payload = JsonNode.Parse($$"""
            { "aud": ["broker"], "iss": "{{Issuer}}", "sub": "system:serviceaccount:shop:orders", "jti": "{{Guid.NewGuid()}}",
              "iat": {{now}}, "nbf": {{now}}, "exp": {{now + 3600}},
              "kubernetes.io": { "namespace": "shop", "pod": { "name": "orders-1", "uid": "uid-1" },
                                 "serviceaccount": { "name": "orders", "uid": "uid-2" } } }
            """)!.AsObject();
        change?.Invoke(payload);
        return payload;
    }

    private static string Encode(JsonObject json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json.ToJsonString()));
}
