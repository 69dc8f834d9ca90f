namespace Broker.Api.Page;

/// <summary>An order to be confirmed: what it does to whom, and what it needs.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Action">The address it is sent to.</param>
/// <param name="Button">What the button says.</param>
/// <param name="WhatHappens">What will happen, one sentence per line.</param>
/// <param name="ToWhom">Whom it affects; empty: nobody.</param>
/// <param name="Fields">The form fields that name its subject.</param>
public sealed record OrderModel(
    string Title, string Action, string Button, IReadOnlyList<string> WhatHappens, IReadOnlyList<string> ToWhom, IReadOnlyList<(string Field, string Value)> Fields)
{
    /// <summary>Whether it asks for a ceiling.</summary>
    public bool AsksForCeiling { get; init; }

    /// <summary>The ceiling as entered.</summary>
    public string? Ceiling { get; init; }

    /// <summary>The reason as entered.</summary>
    public string? Reason { get; init; }

    /// <summary>Why it was not carried out; null when it was not tried.</summary>
    public string? Refused { get; init; }

    /// <summary>The page on which it was given, which is shown again afterwards.</summary>
    public string Page { get; init; } = "/";

    /// <summary>The fragment of its subject on that page, from the <c>#</c> on; empty when there is none.</summary>
    public string Place { get; init; } = "";

    /// <summary>The address that is shown afterwards.</summary>
    public string DoneAddress(string kind) => $"{Page}?done={kind}{Place}";

    /// <summary>The form field of the antiforgery token.</summary>
    public string AntiforgeryField { get; init; } = "";

    /// <summary>The antiforgery token.</summary>
    public string AntiforgeryToken { get; init; } = "";
}
