using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Authentication.Browser;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions;
using Microsoft.AspNetCore.Authentication;

namespace Broker.Api.Page;

/// <summary>Signs an administrator in by a link that works once.</summary>
internal sealed class LinkSignIn(AdminTokens tokens, SessionLedger used, RequestGuard guard, TimeProvider time)
{
    private const string Unknown = "This link was not made by this broker, or it has expired. Make a new one with `broker admin-link`.";
    private const string Unsettled = "The broker's ledger is new or has lost records. Open the link again in a few seconds.";
    private const string Used = "This link has already been used. Make a new one with `broker admin-link`.";

    /// <summary>Signs in; null: the request has been answered. Otherwise why not, which has been recorded.</summary>
    public async Task<string?> TryAsync(HttpContext context, string code)
    {
        if (tokens.ReadLink(code) is not { } link) return await RefusedAsync(context, Unknown);
        if (used.WasExchanged(link.Id)) return await RefusedAsync(context, Used);

        // Everything that is done with it bears its hash: the record tells from where it was fetched.
        var token = tokens.Make(link.By, AdminTokens.Longest).Reveal();
        var caller = tokens.Prove(token).Caller!;

        // On record before, so that a link is not used up unrecorded.
        if (!await guard.RecordAsync(context, AuditAction.Authenticate, caller, null, "signs in to the page by a one-time link", AuditOutcome.Ordered)) return null;
        // Remembered until no replica takes it for good any more, whatever its clock says.
        var (opening, _) = await used.OpenAsync(link.Id, "admin-link", link.Left, link.Left, int.MaxValue, link.Id, link.Left + SessionSealer.ClocksApart, Requests.ToItsEnd);
        if (opening != SessionOpening.Open) return await RefusedAsync(context, opening == SessionOpening.Unsettled ? Unsettled : Used);
        if (!await guard.RecordAsync(context, AuditAction.Authenticate, caller, null, "signed in to the page by a one-time link")) return null;
        await PutCookieAsync(context, token);
        context.Response.Redirect("/");
        return null;
    }

    // It may be a guess, which anybody can make.
    private async Task<string> RefusedAsync(HttpContext context, string why)
    {
        await guard.RecordRefusalAsync(context, AuditAction.Authenticate, null, null, new(RefusalCode.Unauthenticated, why), StatusCodes.Status200OK);
        return why;
    }

    private Task PutCookieAsync(HttpContext context, string proof)
    {
        var properties = new AuthenticationProperties { ExpiresUtc = time.GetUtcNow() + AdminTokens.Longest };
        properties.StoreTokens([new AuthenticationToken { Name = PageSignIn.Proof, Value = proof }]);
        return context.SignInAsync(PageSignIn.Cookie, new(new System.Security.Claims.ClaimsIdentity(PageSignIn.Cookie)), properties);
    }
}
