using System.Reflection;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Broker.Api.Fronts.Native.Description;

/// <summary>The API's description at <c>/openapi/v1.json</c>, made from the endpoints.</summary>
internal static class DescriptionSetup
{
    private const string Scheme = "bearer", Version = "v1";

    /// <summary>Adds it.</summary>
    public static IServiceCollection AddDescription(this IServiceCollection services) => services.AddOpenApi(Version, options =>
    {
        options.CreateSchemaReferenceId = NameOf;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new()
            {
                Title = "Broker",
                Version = typeof(DescriptionSetup).Assembly.GetName().Version!.ToString(3),
                Description = "Shares database logins from Vault, and never promises a connection that the database cannot serve.",
            };

            // The server's address is where the description was read from; behind a proxy, ours would be wrong.
            document.Servers?.Clear();
            document.AddComponent(Scheme, new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                BearerFormat = "JWT",
                Description = "A token of an issuer under Broker:Identity:Issuers, such as a pod's projected service account token with the broker's audience.",
            });
            return Task.CompletedTask;
        });
        options.AddOperationTransformer<OperationDescriber>();
    });

    /// <summary>
    /// Maps the description. It is generated once, at the first request: it is the same for everyone as long as the process runs, and generating it for each
    /// request would let any reader keep a processor busy.
    /// </summary>
    public static void MapDescription(this IEndpointRouteBuilder app)
    {
        byte[]? made = null;
        app.MapGet($"/openapi/{Version}.json", async (HttpContext context, [FromKeyedServices(Version)] IOpenApiDocumentProvider documents) =>
        {
            made ??= await MakeAsync(documents, context.RequestAborted);
            return TypedResults.Bytes(made, "application/json; charset=utf-8");
        }).ExcludeFromDescription();
    }

    /// <summary>The security requirement of operations that need a token.</summary>
    public static OpenApiSecurityRequirement Token(OpenApiDocument? document) => new() { [new(Scheme, document)] = [] };

    private static async Task<byte[]> MakeAsync(IOpenApiDocumentProvider documents, CancellationToken cancellation)
    {
        var document = await documents.GetOpenApiDocumentAsync(cancellation);
        return Encoding.UTF8.GetBytes(await document.SerializeAsJsonAsync(OpenApiSpecVersion.OpenApi3_1, cancellation));
    }

    // GrantShape.LeaseShape becomes GrantLease: nested types with the same name need different schemas.
    private static string? NameOf(JsonTypeInfo type) =>
        type.Type.Assembly == Assembly.GetExecutingAssembly() ? NameOf(type.Type) : OpenApiOptions.CreateDefaultSchemaReferenceId(type);

    private static string NameOf(Type type) =>
        (type.DeclaringType is { } outer ? NameOf(outer) : "") + type.Name.Replace("Shape", "", StringComparison.Ordinal);
}
