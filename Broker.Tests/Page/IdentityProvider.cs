using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Tests.Authentication;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;

namespace Broker.Tests.Page;

/// <summary>
/// An OpenID Connect provider that is as strict as those of the field: it knows one client by its secret and its one callback, wants a state,
/// a nonce and PKCE by S256, and takes each code once. What it is asked wrongly it refuses and remembers.
/// Sources: OpenID Connect Core 1.0 (3.1), RFC 6749 (4.1), RFC 7636, RFC 9700.
/// </summary>
internal sealed class IdentityProvider : IAsyncDisposable
{
    public const string ClientId = "broker-page", ClientSecret = "secret-of-the-page";

    private readonly ConcurrentDictionary<string, Request> asked = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Request> codes = new(StringComparer.Ordinal);
    private LoopbackServer server = null!;

    private IdentityProvider(TokenMint mint) => Mint = Signer = mint;

    public Uri Address => server.Address;

    /// <summary>Whose keys it publishes.</summary>
    public TokenMint Mint { get; }

    /// <summary>Who signs: the same, unless a test says otherwise.</summary>
    public TokenMint Signer { get; set; }

    /// <summary>The one address that browsers are sent back to.</summary>
    public string Callback { get; set; } = "";

    /// <summary>Changes a token before it is signed.</summary>
    public Action<JsonObject>? Change { get; set; }

    /// <summary>What it answers in place of a code; null: a code.</summary>
    public string? Error { get; set; }

    /// <summary>Changes the state that the browser brings back; null: as it came.</summary>
    public Func<string, string>? State { get; set; }

    /// <summary>Shows what it would send the browser back with, and a person clicks.</summary>
    public bool Waits { get; set; }

    /// <summary>What it refused, in words.</summary>
    public ConcurrentQueue<string> Refused { get; } = [];

    public static async Task<IdentityProvider> StartAsync(TokenMint mint)
    {
        var provider = new IdentityProvider(mint);
        provider.server = await LoopbackServer.StartAsync(provider.AnswerAsync);
        return provider;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private Task AnswerAsync(HttpContext context) => (context.Request.Method, context.Request.Path.Value) switch
    {
        ("GET", "/.well-known/openid-configuration") => JsonAsync(context, 200, new JsonObject
        {
            ["issuer"] = Address.OriginalString,
            ["authorization_endpoint"] = $"{Address.OriginalString}/authorize",
            ["token_endpoint"] = $"{Address.OriginalString}/token",
            ["jwks_uri"] = $"{Address.OriginalString}/keys",
            ["response_types_supported"] = new JsonArray("code"),
            ["response_modes_supported"] = new JsonArray("query", "form_post"),
            ["code_challenge_methods_supported"] = new JsonArray("S256"),
            ["subject_types_supported"] = new JsonArray("public"),
            ["id_token_signing_alg_values_supported"] = new JsonArray("RS256"),
            ["token_endpoint_auth_methods_supported"] = new JsonArray("client_secret_post"),
            ["authorization_response_iss_parameter_supported"] = true,
        }),
        ("GET", "/keys") => JsonAsync(context, 200, JsonNode.Parse(TokenMint.KeySet(Mint))!.AsObject()),
        ("GET", "/authorize") => AuthorizeAsync(context),
        ("POST", "/login") => LogInAsync(context),
        ("POST", "/token") => TokenAsync(context),
        ("GET", "/favicon.ico") => JsonAsync(context, 404, []),
        _ => RefuseAsync(context, $"nobody asks for {context.Request.Method} {context.Request.Path}"),
    };

    private Task AuthorizeAsync(HttpContext context)
    {
        var query = context.Request.Query;
        string Of(string name) => query[name].ToString();
        var wrong =
            Of("client_id") != ClientId ? "the client is not known"
            : Of("redirect_uri") != Callback ? $"the address to go back to is not registered: {Of("redirect_uri")}"
            : Of("response_type") != "code" ? "no code is asked for"
            : !Of("scope").Split(' ').Contains("openid") ? "the scope has no openid"
            : Of("state").Length < 16 ? "there is no state"
            : Of("nonce").Length < 16 ? "there is no nonce"
            : Of("code_challenge_method") != "S256" || Of("code_challenge").Length != 43 ? "there is no challenge by S256"
            : null;
        if (wrong is not null) return RefuseAsync(context, wrong);
        var id = Guid.NewGuid().ToString("N");
        asked[id] = new(Of("state"), Of("nonce"), Of("code_challenge"), Of("response_mode"), "");
        return PageAsync(context, $"""<form method="post" action="/login"><input type="hidden" name="id" value="{id}"><label>Name <input name="user"></label><button>Log in</button></form>""");
    }

    private async Task LogInAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        if (!asked.TryRemove(form["id"].ToString(), out var request))
        {
            await RefuseAsync(context, "nobody asked for this login");
            return;
        }

        var code = Guid.NewGuid().ToString("N");
        codes[code] = request with { User = form["user"].ToString() };
        var answer = new Dictionary<string, string> { ["state"] = State?.Invoke(request.State) ?? request.State, ["iss"] = Address.OriginalString };
        answer[Error is null ? "code" : "error"] = Error ?? code;
        if (request.Mode == "form_post")
        {
            var fields = string.Concat(answer.Select(field => $"""<input type="hidden" name="{field.Key}" value="{WebUtility.HtmlEncode(field.Value)}">"""));
            await PageAsync(context, $"""<form method="post" action="{Callback}">{fields}<button>Back</button></form>{(Waits ? "" : "<script>document.forms[0].submit()</script>")}""");
            return;
        }

        var back = $"{Callback}?{string.Join('&', answer.Select(static field => $"{field.Key}={Uri.EscapeDataString(field.Value)}"))}";
        if (Waits) await PageAsync(context, $"""<a href="{WebUtility.HtmlEncode(back)}">Back</a>""");
        else context.Response.Redirect(back);
    }

    private async Task TokenAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        string Of(string name) => form[name].ToString();
        if (!codes.TryRemove(Of("code"), out var request)) await GrantRefusedAsync("the code was used before, or never given");
        else if (Of("grant_type") != "authorization_code") await GrantRefusedAsync("the grant is of another type");
        else if (Of("client_id") != ClientId || Of("client_secret") != ClientSecret) await GrantRefusedAsync("the client does not prove itself");
        else if (Of("redirect_uri") != Callback) await GrantRefusedAsync("the address to go back to is another one");
        else if (Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Of("code_verifier")))) != request.Challenge) await GrantRefusedAsync("the verifier does not match the challenge");
        else
        {
            await JsonAsync(context, 200, new JsonObject
            {
                ["access_token"] = Guid.NewGuid().ToString("N"),
                ["token_type"] = "Bearer",
                ["expires_in"] = 300,
                ["id_token"] = Signer.Token(payload =>
                {
                    payload.Remove("kubernetes.io");
                    payload["iss"] = Address.OriginalString;
                    payload["aud"] = ClientId;
                    payload["sub"] = $"id-of-{request.User}";
                    payload["email"] = $"{request.User}@example.org";
                    payload["groups"] = new JsonArray(request.User == "grace" ? "dba" : "others");
                    payload["nonce"] = request.Nonce;
                    Change?.Invoke(payload);
                }),
            });
        }

        Task GrantRefusedAsync(string why)
        {
            Refused.Enqueue(why);
            return JsonAsync(context, 400, new JsonObject { ["error"] = "invalid_grant", ["error_description"] = why });
        }
    }

    private async Task RefuseAsync(HttpContext context, string why)
    {
        Refused.Enqueue(why);
        context.Response.StatusCode = 400;
        await context.Response.WriteAsync(why);
    }

    private static Task PageAsync(HttpContext context, string html)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync($"<!doctype html><html lang=\"en\"><title>Provider</title><body>{html}</body></html>");
    }

    private static Task JsonAsync(HttpContext context, int status, JsonObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(body.ToJsonString());
    }

    private sealed record Request(string State, string Nonce, string Challenge, string Mode, string User);
}
