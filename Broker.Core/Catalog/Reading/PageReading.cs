namespace Broker.Core.Catalog.Reading;

internal static class PageReading
{
    private static readonly string[] DefaultScopes = ["openid", "profile", "email"];

    public static PageSettings Read(SectionReader reader, IReadOnlyDictionary<string, IdentityIssuer> issuers)
    {
        var page = new PageSettings { SignIn = reader.HasGroup("SignIn") ? SignIn(reader.Child("SignIn"), issuers) : null };
        reader.RefuseUnknownKeys();
        return page;
    }

    private static SignInSettings SignIn(SectionReader reader, IReadOnlyDictionary<string, IdentityIssuer> issuers)
    {
        var name = reader.RequiredText("Issuer", "Name the entry of Broker:Identity:Issuers whose Authority people sign in with.");
        if (name.Length > 0 && !issuers.TryGetValue(name, out _))
            reader.Error("Issuer", $"is '{name}', but Broker:Identity:Issuers has no such entry.", "Name the entry whose Authority people sign in with.");
        else if (name.Length > 0 && issuers[name].Authority is null)
            reader.Error("Issuer", $"is '{name}', which has no Authority.", "People sign in with an OpenID Connect provider: give that entry its Authority, and the client id as its Audience.");
        var scopes = reader.Texts("Scopes") ?? DefaultScopes;
        if (!scopes.Contains("openid")) reader.Error("Scopes", "leaves out openid.", "Without it, OpenID Connect gives no ID token.");
        var signIn = new SignInSettings(name, reader.Secret("ClientSecret", required: false), scopes);
        reader.RefuseUnknownKeys();
        return signIn;
    }
}
