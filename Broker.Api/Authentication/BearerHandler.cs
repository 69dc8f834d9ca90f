using System.Globalization;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Broker.Api.Authentication.Browser;
using Broker.Core.Identity;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace Broker.Api.Authentication;

/// <summary>A proven caller as ASP.NET's authorization sees it.</summary>
internal sealed class CallerIdentity(Caller caller)
    : ClaimsIdentity([new Claim(DefaultNameClaimType, caller.DisplayName)], BearerHandler.Scheme)
{
    public Caller Caller { get; } = caller;
}

/// <summary>
/// Authenticates ordinary endpoints: puts the <see cref="Proof"/>, good or bad, into the request's features.
/// Answers 401 with its headers; the problem writer writes the body.
/// </summary>
internal sealed class BearerHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder, ProofGate gate)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public new const string Scheme = "Bearer";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        await PageSignIn.ReadCookieAsync(Context);
        var proof = await gate.ProveAsync(Context, Context.SentToken());
        Context.SetProof(proof);

        if (proof.Caller is { } caller)
            return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new CallerIdentity(caller)), Scheme));
        return proof.Failure is ProofFailure.NoToken
            ? AuthenticateResult.NoResult()
            : AuthenticateResult.Fail(proof.Failure!.Value.Describe());
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        await HandleAuthenticateOnceSafeAsync();
        if (Context.IsPageForPeople())
        {
            Response.Redirect("/signin");
            return;
        }

        var failure = Context.GetProof()?.Failure ?? ProofFailure.NoToken;
        Response.StatusCode = StatusCodes.Status401Unauthorized;

        // RFC 6750, 3.1: no error code when no token was sent, or when the token may be good.
        Response.Headers.Append(HeaderNames.WWWAuthenticate, failure is ProofFailure.NoToken || failure.MayBeGood()
            ? Scheme
            : $"{Scheme} error=\"invalid_token\", error_description=\"{failure.Describe()}\"");
        if (failure.RetryAfter() is { } retry)
            Response.Headers.RetryAfter = Math.Ceiling(retry.TotalSeconds).ToString(CultureInfo.InvariantCulture);
    }
}
