using System.Text;

namespace Broker.Api.Authentication;

/// <summary>Finds the token in a request. Only ever in the Authorization header: addresses end up in logs.</summary>
public static class Credentials
{
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";

    // A token as long as allowed and a user name, in base64.
    private const int MaxBasicLength = (CallerProver.MaxTokenLength + 1024) * 4 / 3;

    /// <summary>The bearer token; empty when there is none, or more than one Authorization header.</summary>
    public static ReadOnlyMemory<char> BearerToken(this HttpRequest request)
    {
        var headers = request.Headers.Authorization;
        return headers.Count == 1 && headers[0] is { } header && header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? header.AsMemory(Bearer.Length).Trim()
            : default;
    }

    /// <summary>
    /// The token in the password of HTTP Basic, whoever the user is said to be; empty when there is none. Only for requests
    /// that <see cref="TokenAsPassword.AcceptsTokenAsPassword"/>.
    /// </summary>
    internal static ReadOnlyMemory<char> BasicToken(this HttpRequest request)
    {
        var headers = request.Headers.Authorization;
        if (headers.Count != 1
            || headers[0] is not { } header
            || !header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase)
            || header.Length > MaxBasicLength)
            return default;

        var encoded = header.AsSpan(Basic.Length).Trim();
        var bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64Chars(encoded, bytes, out var length)) return default;
        var pair = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? default : pair.AsMemory(colon + 1);
    }
}
