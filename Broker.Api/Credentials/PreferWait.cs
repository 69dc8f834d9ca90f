using System.Globalization;

namespace Broker.Api.Credentials;

/// <summary>The <c>wait</c> preference (RFC 7240, 4.3): for how many seconds the caller is ready to wait.</summary>
public static class PreferWait
{
    /// <summary>Reads it from a request; null when there is none. What cannot be read is no preference (RFC 7240, 2).</summary>
    public static TimeSpan? Of(HttpRequest request)
    {
        foreach (var header in request.Headers["Prefer"])
        {
            foreach (var preference in (header ?? "").Split(','))
            {
                var text = preference.AsSpan().Trim();
                var end = text.IndexOf(';');
                if (end >= 0) text = text[..end].TrimEnd();
                var at = text.IndexOf('=');
                if (at < 0 || !text[..at].TrimEnd().Equals("wait", StringComparison.OrdinalIgnoreCase)) continue;
                if (int.TryParse(text[(at + 1)..].Trim().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
                    return TimeSpan.FromSeconds(seconds);
            }
        }

        return null;
    }
}
