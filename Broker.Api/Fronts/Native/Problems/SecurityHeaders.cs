namespace Broker.Api.Fronts.Native.Problems;

/// <summary>What every answer says to whoever would keep, guess at or frame it.</summary>
internal static class SecurityHeaders
{
    // One year. Only said over TLS: over plain http it means nothing.
    private const string Hsts = "max-age=31536000";

    // An answer of the API is data: it loads nothing and is shown in nothing. The page sets what it needs itself.
    private const string Nothing = "default-src 'none'; frame-ancestors 'none'";

    public static void Put(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy = Nothing;
        headers["Referrer-Policy"] = "no-referrer";
        if (context.Request.IsHttps) headers.StrictTransportSecurity = Hsts;
    }
}
