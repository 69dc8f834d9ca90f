using System.Globalization;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Model;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;

namespace Broker.Api.Fronts.Native.Description;

/// <summary>Adds to each operation its examples, its refusals one by one, their headers, and the token it needs.</summary>
internal sealed class OperationDescriber(IOptions<JsonOptions> json) : IOpenApiOperationTransformer
{
    public async Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var refuses = context.Description.ActionDescriptor.EndpointMetadata.OfType<RefusesMetadata>().FirstOrDefault();
        if (refuses is not null) operation.Security = [DescriptionSetup.Token(context.Document)];
        foreach (var described in context.Description.SupportedResponseTypes)
        {
            var status = described.StatusCode.ToString(CultureInfo.InvariantCulture);
            if (operation.Responses?.GetValueOrDefault(status) is not OpenApiResponse response) continue;
            if (described.Type == typeof(ProblemShape))
                Describe(response, [.. refuses!.Refusals.Where(refusal => refusal.Status == described.StatusCode)]);
            else if (described.Type is { } type && response.Content?.Values.SingleOrDefault() is { } content)
                content.Example = Examples.Of(type, json.Value.SerializerOptions);
        }

        foreach (var taken in operation.RequestBody?.Content?.Values ?? [])
        {
            if (context.Description.ParameterDescriptions.FirstOrDefault(parameter => parameter.Source.Id == "Body") is { } body)
                taken.Example = Examples.Of(body.Type, json.Value.SerializerOptions);
        }
    }

    private static void Describe(OpenApiResponse response, RefusedAs[] refusals)
    {
        response.Description = string.Join("; ", refusals.Select(refusal => RefusalStatus.Of(refusal.Code)).Select(said => $"{said.Code}: {said.Title}"));
        var examples = refusals.ToDictionary(refusal => RefusalStatus.Of(refusal.Code).Code, Examples.Of);
        response.Content![RefusalWriter.ContentType].Examples =
            examples.ToDictionary(example => example.Key, IOpenApiExample (example) => new OpenApiExample { Value = example.Value });

        response.Headers ??= new Dictionary<string, IOpenApiHeader>();
        if (refusals.Any(refusal => refusal.Code == RefusalCode.Unauthenticated))
            response.Headers["WWW-Authenticate"] = Header("The scheme that is expected, and what is wrong with the token.", JsonSchemaType.String);
        if (examples.Values.OfType<JsonObject>().Any(example => example.ContainsKey("retryAfterSeconds")))
            response.Headers["Retry-After"] = Header("Seconds until trying again helps.", JsonSchemaType.Integer);
    }

    private static OpenApiHeader Header(string description, JsonSchemaType type) => new() { Description = description, Schema = new OpenApiSchema { Type = type } };
}
