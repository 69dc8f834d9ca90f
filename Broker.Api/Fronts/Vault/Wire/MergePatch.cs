namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>What a <c>PATCH</c> has to say it sends, before anybody looks at its path (OpenBao http/logical.go).</summary>
internal static class MergePatch
{
    private const string Type = "application/merge-patch+json";

    /// <exception cref="VaultError">It says another type, or none.</exception>
    public static void Must(string? contentType)
    {
        var type = MediaTypeOf(contentType ?? "");
        if (type != Type) throw new VaultError(415, $"PATCH requires Content-Type of {Type}, provided {type}");
    }

    // As Go reads it, and in its words where it cannot (mime ParseMediaType).
    private static string MediaTypeOf(string header)
    {
        var text = header.Split(';')[0].Trim().ToLowerInvariant();
        var first = TokenLength(text);
        if (first == 0) throw VaultError.Bad("mime: no media type");
        if (first == text.Length) return text;
        if (text[first] != '/') throw VaultError.Bad("mime: expected slash after first token");
        var second = TokenLength(text.AsSpan(first + 1));
        if (second == 0) throw VaultError.Bad("mime: expected token after slash");
        return first + 1 + second == text.Length ? text : throw VaultError.Bad("mime: unexpected content after media subtype");
    }

    private static int TokenLength(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && text[length] is > ' ' and <= '~' && !"()<>@,;:\\\"/[]?=".Contains(text[length], StringComparison.Ordinal)) length++;
        return length;
    }
}
