namespace Broker.Api.Page;

/// <summary>An order that is about to be given: what it does to whom, and what it needs.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Action">The address it is sent to.</param>
/// <param name="Button">What the button says.</param>
/// <param name="WhatHappens">What will happen, a sentence a line.</param>
/// <param name="ToWhom">Those it concerns; empty: nobody.</param>
/// <param name="Fields">What names its subject.</param>
public sealed record OrderModel(
    string Title, string Action, string Button, IReadOnlyList<string> WhatHappens, IReadOnlyList<string> ToWhom, IReadOnlyList<(string Field, string Value)> Fields)
{
    /// <summary>Whether it asks for a ceiling.</summary>
    public bool AsksForCeiling { get; init; }

    /// <summary>The ceiling as it was given.</summary>
    public string? Ceiling { get; init; }

    /// <summary>The reason as it was given.</summary>
    public string? Reason { get; init; }

    /// <summary>Why it was not carried out; null: it was not tried.</summary>
    public string? Refused { get; init; }

    /// <summary>The page that it was given on, and is shown again when it is done.</summary>
    public string Page { get; init; } = "/";

    /// <summary>Where on that page its subject stands, from its <c>#</c> on; empty: nowhere.</summary>
    public string Place { get; init; } = "";

    /// <summary>The address of what is shown when it is done.</summary>
    public string DoneAddress(string kind) => $"{Page}?done={kind}{Place}";

    /// <summary>The field of the token that no other site knows.</summary>
    public string AntiforgeryField { get; init; } = "";

    /// <summary>That token.</summary>
    public string AntiforgeryToken { get; init; } = "";
}
