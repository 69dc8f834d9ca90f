using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Broker.Core.Identity;

/// <summary>
/// The id of a holder: <c>{role}.{owner, 16}</c>, followed by <c>{own, 12}</c> when the caller gave an id. Most holders are pods that
/// give none, and the ledger stores each id twice. The owner part is the caller's <see cref="Caller.OwnerHash"/>, so the owner of an id
/// is known without asking the ledger; the own part tells one owner's holders apart by the ids that they give. A pod's UID
/// is always in the owner part: a given id adds to it and can never reach another pod's holder (law L11). A token that names no
/// pod proves a subject, which many processes may share, so its holders need a given id: two processes mistaken for one would each
/// open the connections of both (law L2). The token's <c>jti</c> does not help: processes also share token files, and a
/// renewed token has a new one.
/// </summary>
public readonly partial record struct HolderId
{
    private const int OwnerLength = 16;
    private const int OwnLength = 12;

    private HolderId(string value) => Value = value;

    /// <summary>The whole id, as callers and the ledger know it.</summary>
    public string Value { get; }

    /// <summary>The role it holds.</summary>
    public string Role => Value[..Dot];

    /// <summary>The id without its role.</summary>
    internal string Local => Value[(Dot + 1)..];

    /// <summary>Whether an id, if it is one, has no name that its owner gave it; it is not parsed, which most claims need not wait for.</summary>
    internal static bool HasNoName(string id) => id.Length == id.IndexOf('.', StringComparison.Ordinal) + 1 + OwnerLength;

    /// <summary>Its owner's <see cref="Caller.OwnerHash"/>.</summary>
    internal string OwnerHash => Owner.ToString();

    private ReadOnlySpan<char> Owner => Value.AsSpan(Dot + 1, OwnerLength);

    // Role names contain no dot.
    private int Dot => Value.IndexOf('.', StringComparison.Ordinal);

    /// <summary>The id of a caller's holder of a role: the same each time it asks (law L11).</summary>
    /// <param name="role">The role's name.</param>
    /// <param name="caller">Who asks.</param>
    /// <param name="given">The id that it gives to tell its holders apart; null: none. See <see cref="WhyNot"/>.</param>
    /// <exception cref="ArgumentException">The given id is not one, or is missing.</exception>
    public static HolderId For(string role, Caller caller, string? given)
    {
        if (WhyNot(caller, given) is { } why) throw new ArgumentException(why, nameof(given));
        return new HolderId($"{role}.{caller.OwnerHash}{(given is null ? "" : Fingerprint.Of("holder", OwnLength, caller.OwnerHash, given))}");
    }

    /// <summary>
    /// Why a caller cannot have a holder with the id that it gives, as a text for the caller; null when it can: 1-128 of
    /// <c>A-Z a-z 0-9 . _ : / -</c>, or none when its token names its pod.
    /// </summary>
    public static string? WhyNot(Caller caller, string? given)
    {
        if (given is not null) return Given().IsMatch(given) ? null : "'holder' must be 1 to 128 of A-Z a-z 0-9 . _ : / and -.";
        return caller.PodUid is not null
            ? null
            : "Your token names no pod, so it cannot tell your processes apart. Send 'holder': an id that only this process has and that stays the same when it asks again, e.g. {\"holder\": \"job-4711\"}.";
    }

    /// <summary>Parses an id. A valid id need not exist, nor belong to whoever sent it.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out HolderId id)
    {
        var valid = text is not null && Whole().IsMatch(text);
        id = valid ? new HolderId(text!) : default;
        return valid;
    }

    /// <summary>Whether it is the caller's own; compared in constant time.</summary>
    public bool BelongsTo(Caller caller) =>
        CryptographicOperations.FixedTimeEquals(
            MemoryMarshal.AsBytes(Owner),
            MemoryMarshal.AsBytes(caller.OwnerHash.AsSpan()));

    /// <inheritdoc/>
    public override string ToString() => Value;

    [GeneratedRegex(@"\A[A-Za-z0-9._:/-]{1,128}\z")]
    private static partial Regex Given();

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9_-]{0,62}\.[A-Za-z0-9_-]{16}(?:[A-Za-z0-9_-]{12})?\z")]
    private static partial Regex Whole();
}
