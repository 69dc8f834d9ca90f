using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>The DBA's page.</summary>
public sealed record PageSettings
{
    /// <summary>How people sign in; null: only by <c>broker admin-link</c>.</summary>
    public SignInSettings? SignIn { get; init; }
}

/// <summary>An OpenID Connect provider that people sign in to the page with (authorisation code with PKCE).</summary>
/// <param name="Issuer">
/// The entry of <c>Broker:Identity:Issuers</c> whose <c>Authority</c> it is, and whose <c>Audience</c> is the client id: the ID token proves
/// the person as a bearer token would.
/// </param>
/// <param name="ClientSecret">The client's secret; null: a public client.</param>
/// <param name="Scopes">The scopes that are asked for (default <c>openid</c>, <c>profile</c>, <c>email</c>).</param>
public sealed record SignInSettings(string Issuer, Secret? ClientSecret, IReadOnlyList<string> Scopes)
{
    /// <summary>The scopes that are asked for.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = new TextList(Scopes);
}
