using Broker.Core.Model;
using Polly.CircuitBreaker;

namespace Broker.Core.Issuing.Vault;

/// <summary>Turns a verdict into the <see cref="IssuerException"/> that says what to do next, with Vault's own words if there are any.</summary>
internal static class VaultRefusal
{
    /// <summary>Of an answer.</summary>
    public static IssuerException Of(VaultVerdict verdict, VaultReply reply, params ReadOnlySpan<Secret> secrets)
    {
        var request = reply.Request;
        var said = VaultErrorText.Clean(reply.Envelope?.Errors ?? [], secrets);
        var words = said.Length > 0 ? said : $"status {reply.Status}";
        return verdict switch
        {
            VaultVerdict.Throttled => new(
                IssuerFailure.Throttled,
                $"Vault says too many requests at {request.Path}: {words}.",
                reply.RetryAfter ?? VaultStatus.UsualRetryAfter),
            VaultVerdict.TokenRefused => new(
                IssuerFailure.Refused,
                $"Vault does not allow the broker {request.Path}: {words}. Add to its policy: {Policy(request)}."),
            VaultVerdict.Refused => new(IssuerFailure.Refused, $"Vault refuses {request.Path}: {words}. {Mend(request.Call)}"),
            VaultVerdict.DatabaseUnavailable => new(
                IssuerFailure.DatabaseUnavailable,
                $"The database behind Vault failed at {request.Path}: {words}.",
                reply.RetryAfter),
            VaultVerdict.LeaseUnknown => new(IssuerFailure.LeaseUnknown, $"Vault knows no such lease: {words}."),
            VaultVerdict.AnswerLost when reply.Location is { } location => new(
                IssuerFailure.AnswerLost,
                $"Vault redirects {request.Path} to {Place(location)}, which the broker does not follow; a standby may have passed it on before, and created a user. Set the issuer's Address to a server that answers itself, and look for leases that nobody holds."),
            VaultVerdict.AnswerLost => new(
                IssuerFailure.AnswerLost,
                $"{request.Path} returned nothing usable ({words}); Vault may have created a user. Look for leases that nobody holds.",
                reply.RetryAfter),
            _ when reply.Location is { } location => new(
                IssuerFailure.Unavailable,
                $"Vault redirects {request.Path} to {Place(location)}, which the broker does not follow. Set the issuer's Address to a server that answers itself."),
            _ => new(IssuerFailure.Unavailable, $"Vault cannot do {request.Path} now: {words}.", reply.RetryAfter),
        };
    }

    /// <summary>The exception for a token with a limited number of uses: Vault revokes it after the last one, and its leases with it.</summary>
    public static IssuerException OfLimitedUses() => new(
        IssuerFailure.Refused,
        "The Vault token allows a limited number of requests, and all its leases end when they are used up. Set token_num_uses to 0 on the broker's role in Vault, or make the token without -use-limit.");

    /// <summary>Of a call without an answer.</summary>
    public static IssuerException Of(VaultRequest request, Exception failure) =>
        VaultStatus.Read(request.Call, failure) switch
        {
            VaultVerdict.AnswerLost => new(
                IssuerFailure.AnswerLost,
                $"No answer from Vault for {request.Path} ({Cause(failure)}); it may have created a user. Look for leases that nobody holds.",
                inner: failure),
            _ => new(
                IssuerFailure.Unavailable,
                failure is BrokenCircuitException
                    ? "Vault has just failed too often, so the broker does not ask it for a moment."
                    : $"Vault does not answer {request.Path} ({Cause(failure)}). Check the issuer's Address and that the server runs.",
                (failure as BrokenCircuitException)?.RetryAfter,
                failure),
        };

    /// <summary>The policy line a call needs.</summary>
    private static string Policy(VaultRequest request) =>
        $"path \"{request.Path}\" {{ capabilities = [{request.Call switch
        {
            VaultCall.Issue or VaultCall.LookUpSelf => "\"read\"",
            VaultCall.List => "\"list\", \"sudo\"",
            _ => "\"update\"",
        }}] }}";

    private static string Mend(VaultCall call) => call switch
    {
        VaultCall.LogIn => "Check the issuer's Auth: its method, Mount, role and secret.",
        VaultCall.Issue => "Check the role's VaultPath, and in Vault the role and its database connection.",
        _ => "Check the issuer's Address and Namespace.",
    };

    /// <summary>Types and codes only: the messages of sockets and streams add nothing, and a URL could reveal too much.</summary>
    private static string Cause(Exception failure) => failure switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => "its certificate was not accepted: check CaFile",
        HttpRequestException http => $"{http.HttpRequestError}",
        IOException { InnerException: { } inner } when VaultStatus.NothingWasSent(inner) => $"a standby redirects to another server: {Cause(inner)}",
        OperationCanceledException => "no connection in time",
        Polly.Timeout.TimeoutRejectedException => "not in time",
        _ => failure.GetType().Name,
    };

    private static string Place(Uri location) => location.IsAbsoluteUri ? location.GetLeftPart(UriPartial.Authority) : "itself";
}

/// <summary>
/// 403: either the token has ended, or its policy does not allow the call. The token's owner finds out which, and throws
/// <see cref="AsPolicy"/> when it is the policy. Never leaves this namespace.
/// </summary>
internal sealed class VaultTokenRefusedException(IssuerException asPolicy) : Exception(asPolicy.Message)
{
    public IssuerException AsPolicy { get; } = asPolicy;
}
