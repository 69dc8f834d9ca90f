using System.Reflection;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Broker.Api.Fronts.Native.Description;

/// <summary>The API's description at <c>/openapi/v1.json</c>, made from the endpoints.</summary>
internal static class DescriptionSetup
{
    private const string Scheme = "bearer";

    /// <summary>Adds it.</summary>
    public static IServiceCollection AddDescription(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.CreateSchemaReferenceId = NameOf;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new()
            {
                Title = "Broker",
                Version = typeof(DescriptionSetup).Assembly.GetName().Version!.ToString(3),
                Description = "Shared database logins from Vault, and never a connection promised that the database cannot serve.",
            };

            // The address is where the description came from; behind a proxy, ours would be wrong.
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

    /// <summary>What an operation needs that wants a token.</summary>
    public static OpenApiSecurityRequirement Token(OpenApiDocument? document) => new() { [new(Scheme, document)] = [] };

    // GrantShape.LeaseShape is GrantLease: nested types of one name are not one schema.
    private static string? NameOf(JsonTypeInfo type) =>
        type.Type.Assembly == Assembly.GetExecutingAssembly() ? NameOf(type.Type) : OpenApiOptions.CreateDefaultSchemaReferenceId(type);

    private static string NameOf(Type type) =>
        (type.DeclaringType is { } outer ? NameOf(outer) : "") + type.Name.Replace("Shape", "", StringComparison.Ordinal);
}
