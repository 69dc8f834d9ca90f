using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Authentication.Browser;
using Broker.Core.Ledger;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;

namespace Broker.Api.Page;

/// <summary>Signing in to the page and signing out.</summary>
internal static class SignInEndpoints
{
    /// <summary>Maps <c>/signin</c>, <c>/signin/oidc</c>, <c>/signin/link</c> and <c>/signout</c>, which need no caller.</summary>
    public static void MapSignIn(this IEndpointRouteBuilder endpoints)
    {
        var page = endpoints.MapGroup("").AllowAnonymous().WithMetadata(new PageCookieMetadata()).ExcludeFromDescription();
        page.MapGet("/signin", (HttpContext context, string? refused) => ShowAsync(context, null, refused is null ? null : "The identity provider did not sign you in. Try again, or ask whoever runs the broker."));
        page.MapGet("/signin/link", (HttpContext context, string? code) => ShowAsync(context, code, null));
        page.MapPost("/signin/link", ByLinkAsync);
        page.MapGet("/signin/oidc", (HttpContext context) =>
            context.ChallengeAsync(PageSignIn.Provider, new AuthenticationProperties { RedirectUri = "/" }));
        page.MapPost("/signout", SignOutAsync);
    }

    private static async Task ShowAsync(HttpContext context, string? code, string? refused)
    {
        var antiforgery = context.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        var schemes = context.RequestServices.GetRequiredService<IAuthenticationSchemeProvider>();
        await PageSignIn.ReadCookieAsync(context);
        var proof = await context.RequestServices.GetRequiredService<ProofGate>().ProveAsync(context, context.SentToken());
        await PageEndpoints.RenderAsync(context, Slices.SignInPage.Create(new SignInModel(
            proof.Caller?.DisplayName,
            (await schemes.GetSchemeAsync(PageSignIn.Provider))?.DisplayName,
            code, refused, $"{context.Request.Scheme}://{context.Request.Host}", antiforgery.FormFieldName, antiforgery.RequestToken!)));
    }

    // Only by POST: mail filters and chat previews that open links must not use this one up.
    private static async Task ByLinkAsync(HttpContext context, IAntiforgery antiforgery, AdminTokens tokens, SessionLedger used)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            await ShowAsync(context, null, "The form is too old, or came from another site. Open the link again.");
            return;
        }

        var code = (await context.Request.ReadFormAsync(context.RequestAborted))["code"].ToString();
        if (tokens.ReadLink(code) is not { } link)
        {
            await ShowAsync(context, null, "This link was not made by this broker, or it has expired. Make a new one.");
            return;
        }

        var (opening, _) = await used.OpenAsync(link.Id, "admin-link", link.Left, link.Left, int.MaxValue, link.Id, link.Left, context.RequestAborted);
        if (opening != SessionOpening.Open)
        {
            await ShowAsync(context, null, "This link has already been used. Make a new one.");
            return;
        }

        await PutCookieAsync(context, tokens.Make(link.By, AdminTokens.Longest).Reveal(), AdminTokens.Longest);
        context.Response.Redirect("/");
    }

    private static async Task SignOutAsync(HttpContext context, IAntiforgery antiforgery)
    {
        if (await antiforgery.IsRequestValidAsync(context)) await context.SignOutAsync(PageSignIn.Cookie);
        context.Response.Redirect("/signin");
    }

    private static Task PutCookieAsync(HttpContext context, string proof, TimeSpan lifetime)
    {
        var properties = new AuthenticationProperties { ExpiresUtc = context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow() + lifetime };
        properties.StoreTokens([new AuthenticationToken { Name = PageSignIn.Proof, Value = proof }]);
        return context.SignInAsync(PageSignIn.Cookie, new(new System.Security.Claims.ClaimsIdentity(PageSignIn.Cookie)), properties);
    }
}
