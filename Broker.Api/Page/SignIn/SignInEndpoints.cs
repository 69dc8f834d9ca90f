using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

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
        if (endpoints.ServiceProvider.GetRequiredService<IOptions<AuthenticationOptions>>().Value.SchemeMap.ContainsKey(PageSignIn.Provider))
            page.MapGet("/signin/oidc", (HttpContext context) => context.ChallengeAsync(PageSignIn.Provider, new AuthenticationProperties { RedirectUri = "/" }));
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
    private static async Task ByLinkAsync(HttpContext context, IAntiforgery antiforgery, LinkSignIn links)
    {
        var refused = await PageForm.ReadAsync(context, antiforgery) is { } form
            ? await links.TryAsync(context, form["code"].ToString())
            : "The form has expired, or another site sent it. Open the link again.";
        if (refused is not null) await ShowAsync(context, null, refused);
    }

    private static async Task SignOutAsync(HttpContext context, IAntiforgery antiforgery)
    {
        if (await PageForm.ReadAsync(context, antiforgery) is not null) await context.SignOutAsync(PageSignIn.Cookie);
        context.Response.Redirect("/signin");
    }
}
