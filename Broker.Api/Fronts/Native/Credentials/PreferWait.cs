using System.Globalization;

namespace Broker.Api.Fronts.Native.Credentials;

/// <summary>The <c>wait</c> preference (RFC 7240, 4.3): for how many seconds the caller is ready to wait.</summary>
public static class PreferWait
{
    /// <summary>Reads it from a request; null when there is none. An unreadable preference is ignored (RFC 7240, 2).</summary>
    public static TimeSpan? Of(HttpRequest request)
    {
        foreach (var header in request.Headers["Prefer"])
        {
            var rest = header.AsSpan();
            while (!rest.IsEmpty)
            {
                var text = Upto(',', ref rest);
                var preference = Upto(';', ref text).Trim();
                var at = preference.IndexOf('=');
                if (at < 0 || !preference[..at].TrimEnd().Equals("wait", StringComparison.OrdinalIgnoreCase)) continue;
                var value = preference[(at + 1)..].Trim().Trim('"');
                if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) return TimeSpan.FromSeconds(seconds);
                if (value.Length > 0 && !value.ContainsAnyExceptInRange('0', '9')) return TimeSpan.FromSeconds(int.MaxValue);
            }
        }

        return null;
    }

    // Separators within a quoted string do not count.
    private static ReadOnlySpan<char> Upto(char separator, ref ReadOnlySpan<char> text)
    {
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (quoted && text[i] == '\\') i++;
            else if (text[i] == '"') quoted = !quoted;
            else if (!quoted && text[i] == separator)
            {
                var before = text[..i];
                text = text[(i + 1)..];
                return before;
            }
        }

        var all = text;
        text = default;
        return all;
    }
}
