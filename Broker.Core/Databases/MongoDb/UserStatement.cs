using System.Text.Json;
using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// A role's statement in the form of Vault's MongoDB plugin:
/// <c>{"db":"admin","roles":[{"role":"readWrite","db":"app"},{"role":"read"}]}</c>. <c>db</c> is where the user is made (default
/// <c>admin</c>); a role without one is of that database. https://developer.hashicorp.com/vault/api-docs/secret/databases/mongodb
/// </summary>
/// <param name="Database">Where the user is made.</param>
/// <param name="Roles">Its roles, as the commands <c>createUser</c> and <c>updateUser</c> take them.</param>
internal sealed record UserStatement(string Database, BsonArray Roles)
{
    /// <summary>Reads it. A member that is not known is refused: Vault passes over it, and somebody believes it to be in force.</summary>
    /// <exception cref="FormatException">It is something else; the message says what.</exception>
    public static UserStatement Parse(string statement)
    {
        try
        {
            using var document = JsonDocument.Parse(statement);
            var root = document.RootElement;
            Known(root, "db", "roles");
            var roles = root.TryGetProperty("roles", out var listed)
                ? listed.ValueKind == JsonValueKind.Array ? new BsonArray(listed.EnumerateArray().Select(Role)) : throw new FormatException("\"roles\" is no list")
                : [];
            return new(Text(root, "db") ?? "admin", roles);
        }
        catch (JsonException exception)
        {
            throw new FormatException("it is no JSON document", exception);
        }
    }

    /// <summary>The one statement that makes a user.</summary>
    /// <exception cref="FormatException">There are more, or it gives no role.</exception>
    public static UserStatement OfCreation(IReadOnlyList<string> statements)
    {
        if (statements.Count != 1) throw new FormatException($"there are {statements.Count} of them, and MongoDB takes one");
        var statement = Parse(statements[0]);
        return statement.Roles.Count > 0 ? statement : throw new FormatException("it gives the user no \"roles\"");
    }

    private static BsonValue Role(JsonElement role)
    {
        Known(role, "role", "db");
        var name = Text(role, "role") ?? throw new FormatException("a role has no \"role\"");
        return Text(role, "db") is { } on ? new BsonDocument { { "role", name }, { "db", on } } : name;
    }

    private static void Known(JsonElement element, params string[] members)
    {
        if (element.ValueKind != JsonValueKind.Object) throw new FormatException($"it is {element.ValueKind} where an object belongs");
        foreach (var member in element.EnumerateObject())
        {
            if (!members.Contains(member.Name)) throw new FormatException($"\"{member.Name}\" is not known; known are {string.Join(", ", members)}");
        }
    }

    private static string? Text(JsonElement element, string member) =>
        !element.TryGetProperty(member, out var value) ? null
        : value.ValueKind != JsonValueKind.String ? throw new FormatException($"\"{member}\" is no text")
        : value.GetString() is { Length: > 0 } text ? text : null;
}
