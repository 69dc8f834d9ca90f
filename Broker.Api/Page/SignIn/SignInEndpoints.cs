using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Model;
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

    /// <summary>Says that the identity provider signed nobody in. Anybody can bring that about: it is counted like any other refusal.</summary>
    public static async Task FailedAsync(RemoteFailureContext context)
    {
        // The framework's own words are fixed; those of other failures may hold anything.
        var what = context.Failure is AuthenticationFailureException { InnerException: null } known ? known.Message : context.Failure?.GetType().Name;
        await context.HttpContext.RequestServices.GetRequiredService<RequestGuard>().RecordRefusalAsync(
            context.HttpContext, AuditAction.Authenticate, null, null, new(RefusalCode.Unauthenticated, $"The identity provider did not sign anybody in: {what}"), StatusCodes.Status302Found);
        context.Response.Redirect("/signin?refused=provider");
        context.HandleResponse();
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
            : await RefusedAsync(context, "The form has expired, or another site sent it. Open the link again.", StatusCodes.Status200OK);
        if (refused is not null) await ShowAsync(context, null, refused);
    }

    private static async Task SignOutAsync(HttpContext context, IAntiforgery antiforgery)
    {
        if (await PageForm.ReadAsync(context, antiforgery) is not null) await context.SignOutAsync(PageSignIn.Cookie);
        else await RefusedAsync(context, "The form has expired, or another site sent it. Nobody was signed out.", StatusCodes.Status302Found);
        context.Response.Redirect("/signin");
    }

    // Anybody can send such a form.
    private static async Task<string> RefusedAsync(HttpContext context, string why, int status)
    {
        await context.RequestServices.GetRequiredService<RequestGuard>().RecordRefusalAsync(context, AuditAction.Authenticate, null, null, new(RefusalCode.InvalidRequest, why), status);
        return why;
    }
}
