using System.Text.Encodings.Web;
using Broker.Core.Limits;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Broker.Api.Authentication.Browser;

/// <summary>Redeems the codes that browsers bring back from the identity provider, a few at once.</summary>
internal sealed class ProviderHandler(IOptionsMonitor<OpenIdConnectOptions> options, ILoggerFactory loggers, HtmlEncoder html, UrlEncoder encoder, SignInLine line)
    : OpenIdConnectHandler(options, loggers, html, encoder)
{
    protected override async Task<OpenIdConnectMessage> RedeemAuthorizationCodeAsync(OpenIdConnectMessage tokenEndpointRequest)
    {
        if (!await line.EnterAsync(AddressName.Of(Context.Connection.RemoteIpAddress))) throw new AuthenticationFailureException(SignInLine.TooMany);
        try
        {
            return await base.RedeemAuthorizationCodeAsync(tokenEndpointRequest);
        }
        finally
        {
            line.Leave();
        }
    }
}
