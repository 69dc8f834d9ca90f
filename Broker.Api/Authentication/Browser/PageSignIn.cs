using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Limits;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.Net.Http.Headers;

namespace Broker.Api.Authentication.Browser;

/// <summary>
/// People sign in to the page with a cookie that holds their own proof, sealed: the identity provider's ID token, or the token of an
/// admin link. Each request verifies it again like a bearer token, so no sign-in outlives its token.
/// </summary>
internal static class PageSignIn
{
    /// <summary>The cookie's scheme.</summary>
    public const string Cookie = "page";

    /// <summary>The identity provider's scheme.</summary>
    public const string Provider = "page-oidc";

    /// <summary>The name of the proof in the cookie.</summary>
    public const string Proof = "id_token";

    /// <summary>Adds the cookie, and OpenID Connect (authorisation code with PKCE) where a provider is configured.</summary>
    public static AuthenticationBuilder AddPageSignIn(this AuthenticationBuilder authentication, BrokerSettings settings, CatalogSnapshot catalog)
    {
        authentication.AddCookie(Cookie, cookie =>
        {
            cookie.Cookie.Name = "broker-page";
            cookie.Cookie.HttpOnly = true;
            // Lax, because the provider sends the browser back here; orders also need a token that no other site knows.
            cookie.Cookie.SameSite = Microsoft.AspNetCore.Http.SameSiteMode.Lax;
            cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            cookie.SlidingExpiration = false;
            cookie.LoginPath = "/signin";
        });
        if (settings.Page.SignIn is not { } signIn || !catalog.Identity.Issuers.TryGetValue(signIn.Issuer, out var issuer)) return authentication;
        authentication.AddOpenIdConnect(Provider, signIn.Issuer, oidc =>
        {
            oidc.Authority = issuer.Authority!.ToString();
            oidc.ClientId = issuer.Audience;
            oidc.ClientSecret = signIn.ClientSecret?.Reveal();
            oidc.ResponseType = OpenIdConnectResponseType.Code;
            oidc.UsePkce = true;
            oidc.SaveTokens = true;
            oidc.SignInScheme = Cookie;
            oidc.CallbackPath = "/signin/callback";
            oidc.MapInboundClaims = false;
            oidc.UseTokenLifetime = true;
            oidc.RequireHttpsMetadata = issuer.Authority!.Scheme == Uri.UriSchemeHttps;
            oidc.Scope.Clear();
            foreach (var scope in signIn.Scopes) oidc.Scope.Add(scope);
            oidc.BackchannelHttpHandler = BackchannelOf(issuer);
            oidc.BackchannelTimeout = SignInLine.Patience;
            oidc.RemoteAuthenticationTimeout = SignInLine.GoodFor;
            oidc.Events.OnRedirectToIdentityProvider = static context =>
            {
                LineOf(context.HttpContext).Begin(context.Properties);
                return Task.CompletedTask;
            };
            oidc.Events.OnAuthorizationCodeReceived = static context =>
            {
                var why = context.Properties is { } begun ? LineOf(context.HttpContext).WhyNot(begun, AddressName.Of(context.HttpContext.Connection.RemoteIpAddress)) : "Nothing was begun.";
                if (why is not null) context.Fail(why);
                return Task.CompletedTask;
            };
        });

        // Found before the framework's own, which it was registered after.
        authentication.Services.AddSingleton<SignInLine>().AddTransient<OpenIdConnectHandler, ProviderHandler>();
        return authentication;
    }

    private static SignInLine LineOf(HttpContext context) => context.RequestServices.GetRequiredService<SignInLine>();

    /// <summary>Takes the proof out of a request's cookie, if its endpoint accepts cookies; the proof then counts as the token that was sent.</summary>
    public static async ValueTask ReadCookieAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<PageCookieMetadata>() is null) return;
        var cookie = await context.AuthenticateAsync(Cookie);
        context.Items[Proof] = cookie.Properties?.GetTokenValue(Proof);
    }

    /// <summary>Whether a browser asks for a page, so that its user can be sent to sign in.</summary>
    public static bool IsPageForPeople(this HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<PageCookieMetadata>() is not null && !context.Request.Headers.ContainsKey(HeaderNames.Authorization)
        && context.Request.GetTypedHeaders().Accept.Any(type => type.MediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase));

    private static SocketsHttpHandler BackchannelOf(IdentityIssuer issuer)
    {
        var handler = new SocketsHttpHandler();
        if (issuer.CaFile is not { } file) return handler;
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(file);
        handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        return handler;
    }
}

/// <summary>Marks endpoints that people open in a browser, which accept the page's cookie.</summary>
public sealed class PageCookieMetadata;
