using System.Text.Json;
using System.Text.Json.Nodes;
using Shouldly;

namespace Broker.Tests.Endpoints;

/// <summary>
/// Holds JSON to the schemas of the description: the few words of JSON Schema that it uses. A word it does not know fails,
/// so that nothing passes unread; a member that the schema does not name fails too.
/// </summary>
internal sealed class Schemas(JsonNode description)
{
    private static readonly string[] Notes = ["description", "format", "example", "examples", "title"];

    /// <summary>Fails unless an answer is described, and is as described.</summary>
    public void Hold(string path, string method, int status, string contentType, string body)
    {
        var response = description["paths"]![path]![method]!["responses"]![$"{status}"].ShouldNotBeNull($"{method} {path} answers {status}, which is not described");
        var content = response["content"]![contentType].ShouldNotBeNull($"{method} {path} {status} is {contentType}, which is not described");
        Hold(content["schema"]!, JsonNode.Parse(body), $"{method} {path} {status}");
    }

    /// <summary>Holds every example to its schema; answers how many there were.</summary>
    public int HoldExamples()
    {
        var held = 0;
        Visit(description["paths"]!, "");
        return held;

        void Visit(JsonNode? node, string at)
        {
            switch (node)
            {
                case JsonObject content when content["schema"] is { } schema:
                    foreach (var (name, example) in content["examples"]?.AsObject() ?? [])
                        HoldOne(schema, example!["value"], $"{at} {name}");
                    if (content.TryGetPropertyValue("example", out var one)) HoldOne(schema, one, at);
                    break;
                case JsonObject any:
                    foreach (var (name, below) in any) Visit(below, $"{at} {name}");
                    break;
                case JsonArray list:
                    foreach (var below in list) Visit(below, at);
                    break;
            }
        }

        void HoldOne(JsonNode schema, JsonNode? value, string at)
        {
            held++;
            Hold(schema, value, at);
        }
    }

    private void Hold(JsonNode schema, JsonNode? value, string at)
    {
        if (schema["$ref"]?.GetValue<string>() is { } reference)
        {
            Hold(description["components"]!["schemas"]![reference.Split('/')[^1]].ShouldNotBeNull(reference), value, at);
            return;
        }

        if (schema["oneOf"] is JsonArray choices)
        {
            var kind = KindOf(value);
            Hold(choices.Single(choice => (kind == "null") == (choice!["type"]?.ToString() == "null"))!, value, at);
            return;
        }

        schema.AsObject().Select(word => word.Key).Except([.. Notes, "type", "properties", "required", "items", "additionalProperties"]).ShouldBeEmpty(at);
        var types = schema["type"] is JsonArray several ? several.Select(type => type!.GetValue<string>()) : [schema["type"]!.GetValue<string>()];
        types.ShouldContain(KindOf(value), $"{at}: {value?.ToJsonString() ?? "null"}");
        if (schema["format"]?.GetValue<string>() == "date-time" && value is not null) value.GetValue<DateTimeOffset>();
        if (value is JsonArray items)
        {
            foreach (var item in items) Hold(schema["items"]!, item, at + "[]");
        }
        else if (value is JsonObject members)
        {
            if (schema["additionalProperties"] is { } any)
            {
                foreach (var (name, member) in members) Hold(any, member, $"{at}.{name}");
                return;
            }

            var properties = schema["properties"]!.AsObject();
            foreach (var name in schema["required"]?.AsArray() ?? []) members.ContainsKey(name!.GetValue<string>()).ShouldBeTrue($"{at} lacks {name}");
            foreach (var (name, member) in members) Hold(properties[name].ShouldNotBeNull($"{at}.{name} is not described"), member, $"{at}.{name}");
        }
    }

    private static string KindOf(JsonNode? value) => value?.GetValueKind() switch
    {
        null or JsonValueKind.Null => "null",
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        _ => value.ToJsonString().Contains('.', StringComparison.Ordinal) ? "number" : "integer",
    };
}
