using Broker.Api.Authentication;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Broker.Api.Page;

/// <summary>The page that shows DBAs every database's connections, leases and holders. It only reads.</summary>
public static class PageEndpoints
{
    /// <summary>
    /// Only the page's own files, and calls to the broker it came from; nobody may frame it, so that nothing can be laid over it.
    /// </summary>
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>Maps <c>/</c>, <c>/page.css</c> and <c>/page.js</c>, for those who may look.</summary>
    public static IEndpointRouteBuilder MapPage(this IEndpointRouteBuilder endpoints)
    {
        var page = endpoints.MapGroup("").RequireAuthorization(Policies.Viewer).AcceptTokenAsPassword().ExcludeFromDescription();
        foreach (var (path, asset) in PageAsset.All) page.MapGet(path, (HttpContext context) => Serve(context, asset));
        return endpoints;
    }

    private static FileContentHttpResult Serve(HttpContext context, PageAsset asset)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "private, no-cache";
        return TypedResults.Bytes(asset.Content, asset.ContentType, entityTag: asset.ETag);
    }
}
