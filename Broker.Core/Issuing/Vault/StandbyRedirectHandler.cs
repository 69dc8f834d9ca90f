using System.Net;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Follows a standby's redirect to the active node, with method, body and headers. The framework's own following is off: it
/// would send the token to any host an answer names. Here it goes only to the configured server and to the host that
/// server itself names, by the same scheme.
/// </summary>
/// <remarks>Also reads the whole answer, so that the call's deadline covers a body that stalls half way.</remarks>
internal sealed class StandbyRedirectHandler(VaultIssuerDefinition definition, ILogger logger, HttpMessageHandler inner)
    : DelegatingHandler(inner)
{
    /// <summary>One redirect leads to the active node, and one more may come while the active node changes.</summary>
    private const int MaxHops = 2;

    /// <summary>Room for a list of half a million leases, and a limit on what a broken server can make us buffer.</summary>
    private const long MaxBody = 16 * 1024 * 1024;

    private static readonly HttpRequestOptionsKey<bool> Followed = new("redirect-followed");

    /// <summary>Whether an answer is not of the server that was asked first.</summary>
    public static bool IsRedirected(HttpResponseMessage answer) => answer.RequestMessage?.Options.TryGetValue(Followed, out var followed) == true && followed;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var asked = request.RequestUri!;
        string? named = null;
        var followed = false;
        try
        {
            for (var hop = 0; ; hop++)
            {
                var response = await base.SendAsync(request, cancellationToken);
                if (Target(response, request.RequestUri!) is not { } target)
                {
                    await response.Content.LoadIntoBufferAsync(MaxBody, cancellationToken);
                    return response;
                }

                if (IsConfigured(request.RequestUri!)) named = target.Authority;
                if (hop == MaxHops || !MayFollow(target, named))
                {
                    Log.RedirectNotFollowed(logger, definition.Name, target.GetLeftPart(UriPartial.Authority));
                    return response;
                }

                Log.Redirected(logger, definition.Name, target.Authority);
                response.Dispose();
                request.RequestUri = target;
                request.Options.Set(Followed, followed = true);
            }
        }
        catch (Exception e) when (followed && VaultStatus.NothingWasSent(e))
        {
            // Nothing was sent to the other server; what the first one did is not known.
            throw new IOException("The server that a standby redirects to cannot be reached.", e);
        }
        finally
        {
            request.RequestUri = asked; // an attempt after this one starts at the configured server again
        }
    }

    private static Uri? Target(HttpResponseMessage response, Uri from) =>
        response.StatusCode is HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
        && response.Headers.Location is { } location
            ? new Uri(from, location)
            : null;

    private bool MayFollow(Uri target, string? named) =>
        target.Scheme == definition.Address.Scheme
        && (target.Scheme == Uri.UriSchemeHttps || target.IsLoopback || definition.AllowInsecureTransport)
        && (IsConfigured(target) || target.Authority == named);

    private bool IsConfigured(Uri uri) => uri.Authority == definition.Address.Authority;
}
