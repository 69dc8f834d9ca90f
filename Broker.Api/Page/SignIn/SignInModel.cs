namespace Broker.Api.Page;

/// <summary>What the sign-in page shows.</summary>
/// <param name="Who">Who is signed in; null: nobody.</param>
/// <param name="Provider">The identity provider's name; null: none is configured.</param>
/// <param name="Link">The code of a one-time sign-in link; null when none was opened.</param>
/// <param name="Refused">Why signing in failed; null when it did not.</param>
/// <param name="Address">The broker's address, as the browser sees it.</param>
/// <param name="AntiforgeryField">The form field of the antiforgery token.</param>
/// <param name="AntiforgeryToken">The antiforgery token.</param>
public sealed record SignInModel(
    string? Who, string? Provider, string? Link, string? Refused, string Address, string AntiforgeryField, string AntiforgeryToken);
