namespace Broker.Api.Fronts.Native.Problems;

/// <summary>The headers of every answer that forbid caching, content sniffing and framing.</summary>
internal static class SecurityHeaders
{
    // One year. Sent only over TLS, because it means nothing over plain http.
    private const string Hsts = "max-age=31536000";

    // An answer of the API is data: it loads nothing and must not be framed. The page sets its own policy.
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
