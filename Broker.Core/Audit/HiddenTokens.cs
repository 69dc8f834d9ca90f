using System.Buffers;
using System.Text.RegularExpressions;
using Broker.Core.Audit.Chain;

namespace Broker.Core.Audit;

/// <summary>
/// Hides tokens in what callers wrote where something else stands (a role, a lease, a path): of each its beginning alone is shown (law L6).
/// </summary>
internal static partial class HiddenTokens
{
    /// <summary>
    /// The beginnings of Vault's tokens, of the broker's own, and of JSON Web Tokens; and of the audit's anchors, which are no secret, but of which only the broker's
    /// own are whole in its log (law L15).
    /// </summary>
    public static string[] Beginnings { get; } = ["hvs.", "hvb.", "hvr.", "brs_", "bra_", "eyJ", ChainAnchor.Beginning];

    private static readonly SearchValues<string> Known = SearchValues.Create(Beginnings, StringComparison.Ordinal);

    /// <summary>A text without them.</summary>
    public static string In(string text) => text.AsSpan().ContainsAny(Known) ? Token().Replace(text, "$1$2$3…") : text;

    // Tokens of Vault's kind, the broker's own, and JSON Web Tokens. Nothing that the broker makes to be read, such as a lease's id, is as long behind such a
    // beginning, or has a point.
    [GeneratedRegex(@"(hv[sbr]\.|audit-anchor\.)[A-Za-z0-9_-]{16,}|(?:(br[sa]_)[A-Za-z0-9_=+/-]{32,})|(eyJ)[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_.-]*")]
    private static partial Regex Token();
}
