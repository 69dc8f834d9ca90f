using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A small OIDC issuer on 127.0.0.1 with discovery and keys, whose pod tokens have exactly the shape of Kubernetes' projected
/// service account tokens. It makes bad tokens too: of a foreign key, unsigned, expired, for another audience.
/// </summary>
public sealed class LocalIdentity : IAsyncDisposable
{
    /// <summary>The value of the claim <c>groups</c> in <see cref="ViewerToken"/>.</summary>
    public const string Viewers = "broker-viewers";

    /// <summary>The value of the claim <c>groups</c> in <see cref="OperatorToken"/>.</summary>
    public const string Operators = "broker-operators";

    private readonly WebApplication server;
    private readonly TimeProvider time;
    private volatile KeyRing keys = new(SigningKey.Create(), []);

    private LocalIdentity(WebApplication server, TimeProvider time)
    {
        this.server = server;
        this.time = time;
    }

    /// <summary>Where discovery is.</summary>
    public Uri Authority { get; private set; } = null!;

    /// <summary>The <c>iss</c> of the tokens.</summary>
    public string Issuer { get; private set; } = null!;

    /// <summary>Starts one on a free port.</summary>
    /// <param name="time">The clock of its tokens; null: the system's.</param>
    /// <param name="issuer">The <c>iss</c> of its tokens; null: its own address, as discovery wants it.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<LocalIdentity> StartAsync(
        TimeProvider? time = null, string? issuer = null, CancellationToken cancellation = default)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var identity = new LocalIdentity(builder.Build(), time ?? TimeProvider.System);
        identity.server.MapGet("/.well-known/openid-configuration", () => Results.Json(identity.Discovery()));
        identity.server.MapGet("/jwks", () => Results.Json(identity.Jwks()));
        await identity.server.StartAsync(cancellation);
        var addresses = identity.server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        identity.Authority = new Uri(addresses.Addresses.Single());
        identity.Issuer = issuer ?? identity.Authority.OriginalString;
        return identity;
    }

    /// <summary>A pod's token, good in every way unless the settings say otherwise.</summary>
    /// <param name="pod">The pod's number; each has a name and a UID of its own, the same every time.</param>
    /// <param name="settings">What is special about it.</param>
    public string PodToken(int pod, PodTokenSettings? settings = null)
    {
        settings ??= new();
        var claims = Claims(settings.Audience, settings.Lifetime, $"system:serviceaccount:{settings.Namespace}:{settings.ServiceAccount}");
        claims["kubernetes.io"] = new JsonObject
        {
            ["namespace"] = settings.Namespace,
            ["pod"] = new JsonObject { ["name"] = $"{settings.ServiceAccount}-{pod}", ["uid"] = PodUid(pod) },
            ["serviceaccount"] = new JsonObject { ["name"] = settings.ServiceAccount, ["uid"] = Uid($"serviceaccount {settings.Namespace}/{settings.ServiceAccount}") },
        };
        return Sign(claims, settings.Signature);
    }

    /// <summary>The UID of pod number N.</summary>
    public static string PodUid(int pod) => Uid($"pod {pod}");

    /// <summary>The token of a person who may see budgets, leases, the page and the metrics.</summary>
    public string ViewerToken(TimeSpan? lifetime = null) => PersonToken("ada@example.org", Viewers, lifetime);

    /// <summary>The token of a person who may also revoke and rotate.</summary>
    public string OperatorToken(TimeSpan? lifetime = null) => PersonToken("grace@example.org", Operators, lifetime);

    /// <summary>Any claims, signed as told: for tokens of other shapes, and for broken ones.</summary>
    public string Sign(JsonObject claims, TokenSignature signature = TokenSignature.Good)
    {
        var signer = signature == TokenSignature.ForeignKey ? SigningKey.Create() : keys.Current;
        var header = new JsonObject
        {
            ["alg"] = signature == TokenSignature.None ? "none" : "RS256",
            // A foreign key claims to be ours: only the signature itself gives it away.
            ["kid"] = keys.Current.Id,
        };
        var content = $"{Encode(header)}.{Encode(claims)}";
        return signature == TokenSignature.None
            ? $"{content}."
            : $"{content}.{Base64Url(signer.Key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    /// <summary>The claims with <c>iss</c>, <c>iat</c>, <c>nbf</c> and <c>exp</c> (five minutes, unless they say) by this server's clock, signed.</summary>
    public string SignNow(JsonObject claims)
    {
        var whole = Claims(["broker"], TimeSpan.FromMinutes(5), "somebody");
        foreach (var (name, value) in claims) whole[name] = value?.DeepClone();
        return Sign(whole);
    }

    /// <summary>Signs with a new key from now on.</summary>
    /// <param name="keepOld">Whether tokens of the old key stay good (it stays in the key set).</param>
    public void RotateKey(bool keepOld = true) =>
        keys = new KeyRing(SigningKey.Create(), keepOld ? [keys.Current, .. keys.Older] : []);

    /// <summary>Writes the public keys as a JSON Web Key Set, for issuers configured by file; replaces the file in one step.</summary>
    public async Task WriteJwksFileAsync(string path, CancellationToken cancellation = default)
    {
        var beside = path + ".new";
        await File.WriteAllTextAsync(beside, Jwks().ToJsonString(), cancellation);
        File.Move(beside, path, overwrite: true);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static string Uid(string what) => new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(what)).AsSpan(0, 16)).ToString();

    private static string Encode(JsonObject json) => Base64Url(JsonSerializer.SerializeToUtf8Bytes(json));

    private static string Base64Url(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    private string PersonToken(string person, string group, TimeSpan? lifetime)
    {
        var claims = Claims(["broker"], lifetime ?? TimeSpan.FromHours(8), person);
        claims["groups"] = new JsonArray(group);
        return Sign(claims);
    }

    private JsonObject Claims(IReadOnlyList<string> audience, TimeSpan lifetime, string subject)
    {
        var now = time.GetUtcNow();
        var end = now + lifetime;
        // An expired token was good once: it began before it ended.
        var begin = lifetime > TimeSpan.Zero ? now : end - TimeSpan.FromHours(1);
        return new JsonObject
        {
            ["aud"] = new JsonArray([.. audience.Select(name => JsonValue.Create(name))]),
            ["exp"] = end.ToUnixTimeSeconds(),
            ["iat"] = begin.ToUnixTimeSeconds(),
            ["iss"] = Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["nbf"] = begin.ToUnixTimeSeconds(),
            ["sub"] = subject,
        };
    }

    private JsonObject Discovery() => new()
    {
        ["issuer"] = Issuer,
        ["jwks_uri"] = $"{Authority.OriginalString}/jwks",
        ["response_types_supported"] = new JsonArray("id_token"),
        ["subject_types_supported"] = new JsonArray("public"),
        ["id_token_signing_alg_values_supported"] = new JsonArray("RS256"),
    };

    private JsonObject Jwks()
    {
        var ring = keys;
        return new() { ["keys"] = new JsonArray([ring.Current.ToJwk(), .. ring.Older.Select(key => key.ToJwk())]) };
    }

    private sealed record KeyRing(SigningKey Current, IReadOnlyList<SigningKey> Older);

    private sealed record SigningKey(RSA Key, string Id)
    {
        public static SigningKey Create() => new(RSA.Create(2048), Guid.NewGuid().ToString("N"));

        public JsonObject ToJwk()
        {
            var values = Key.ExportParameters(includePrivateParameters: false);
            return new()
            {
                ["use"] = "sig",
                ["kty"] = "RSA",
                ["kid"] = Id,
                ["alg"] = "RS256",
                ["n"] = Base64Url(values.Modulus!),
                ["e"] = Base64Url(values.Exponent!),
            };
        }
    }
}
