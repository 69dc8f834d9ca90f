using System.Globalization;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>Explains to the caller why a grant is smaller than what it asked for.</summary>
internal static class SmallerGrant
{
    /// <summary>The explanation; null when the claim got what it wanted.</summary>
    public static string? Why(Claim claim, ClaimAnswer.Granted granted)
    {
        if (claim.Kind != ClaimKind.Claim || granted.Connections >= claim.Asked) return null;
        return Say($"{granted.Connections} of {claim.Asked}: {(granted.Connections >= claim.Want ? OfShares : Because(granted))}.");
    }

    private const string OfShares = "this caller's or its team's limit leaves no more";

    // Somebody who can write to the ledger can select another of these sentences, but cannot insert text (law L14).
    private static string Because(ClaimAnswer.Granted granted)
    {
        var words = granted.Fewer?.Split(' ') ?? [];
        return words is [var kind, var text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? kind switch
            {
                "kept" => Say($"room is kept for {number} expected {(number == 1 ? "holder" : "holders")}"),
                "guaranteed" => Say($"{number} of the free ones are guaranteed to others"),
                "follows" => "that is its fair part of the database now; its renewals tell it when it may have more",
                "free" => "no more were free",
                "user" => Say($"the database lets one user open no more than {number} (its CONNECTION LIMIT, MAX_USER_CONNECTIONS, or the server's max_user_connections)"),
                _ => BeforeThis(granted),
            }
            : BeforeThis(granted);
    }

    private static string BeforeThis(ClaimAnswer.Granted granted) =>
        Say($"this holder was granted {granted.Connections} before; for another number, release it and claim again, or send your own 'holder'");

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
