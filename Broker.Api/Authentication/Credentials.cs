namespace Broker.Api.Authentication;

/// <summary>Finds the token in a request. It is accepted only in the Authorization header, because URLs end up in logs.</summary>
public static class Credentials
{
    private const string Bearer = "Bearer ";

    /// <summary>The bearer token; empty when there is none, or more than one Authorization header.</summary>
    public static ReadOnlyMemory<char> BearerToken(this HttpRequest request)
    {
        var headers = request.Headers.Authorization;
        return headers.Count == 1 && headers[0] is { } header && header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? header.AsMemory(Bearer.Length).Trim()
            : default;
    }
}
