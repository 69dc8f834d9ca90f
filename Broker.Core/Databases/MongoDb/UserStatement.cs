using System.Text.Json;
using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// A role's statement in the form of Vault's MongoDB plugin:
/// <c>{"db":"admin","roles":[{"role":"readWrite","db":"app"},{"role":"read"}]}</c>. The user is made in <c>db</c> (default
/// <c>admin</c>); a role without one is of that database. https://developer.hashicorp.com/vault/api-docs/secret/databases/mongodb
/// Names of members may be in any case, as Go reads them. Other fields of <c>createUser</c> may stand beside them.
/// </summary>
/// <param name="Database">Where the user is made.</param>
/// <param name="Roles">Its roles, as the commands <c>createUser</c> and <c>updateUser</c> take them.</param>
/// <param name="More">Other fields of <c>createUser</c>, as written.</param>
internal sealed record UserStatement(string Database, BsonArray Roles, BsonDocument More)
{
    // https://www.mongodb.com/docs/manual/reference/command/createUser/
    private static readonly string[] OfCreateUser = ["authenticationRestrictions", "customData", "mechanisms"];

    /// <summary>Reads it. An unknown member is refused: Vault ignores it, and its author would believe it to be in force.</summary>
    /// <exception cref="FormatException">It is something else; the message says what.</exception>
    public static UserStatement Parse(string statement)
    {
        try
        {
            using var document = JsonDocument.Parse(statement);
            var root = document.RootElement;
            Known(root, ["db", "roles", .. OfCreateUser]);
            var roles = Member(root, "roles") is { } listed
                ? listed.ValueKind == JsonValueKind.Array ? new BsonArray(listed.EnumerateArray().Select(Role)) : throw new FormatException("\"roles\" is not a list")
                : [];
            var more = OfCreateUser
                .Select(name => (Name: name, Value: Member(root, name)))
                .Where(member => member.Value is not null)
                .Select(member => new BsonElement(member.Name, BsonDocument.Parse($"{{\"v\":{member.Value!.Value.GetRawText()}}}")["v"]));
            return new(Text(root, "db") ?? "admin", roles, new BsonDocument(more));
        }
        catch (JsonException exception)
        {
            throw new FormatException("it is not a JSON document", exception);
        }
    }

    /// <summary>The one statement that makes a user.</summary>
    /// <exception cref="FormatException">There are more, or it gives no role.</exception>
    public static UserStatement OfCreation(IReadOnlyList<string> statements)
    {
        if (statements.Count != 1) throw new FormatException($"there are {statements.Count} statements, and MongoDB takes one");
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
        if (element.ValueKind != JsonValueKind.Object) throw new FormatException($"it is {element.ValueKind} where an object is expected");
        foreach (var member in element.EnumerateObject())
        {
            if (!members.Contains(member.Name, StringComparer.OrdinalIgnoreCase)) throw new FormatException($"\"{member.Name}\" is not known; the known members are {string.Join(", ", members)}");
        }
    }

    private static JsonElement? Member(JsonElement element, string name) =>
        element.EnumerateObject().Where(member => member.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(member => (JsonElement?)member.Value).LastOrDefault();

    private static string? Text(JsonElement element, string member) =>
        Member(element, member) is not { } value || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind != JsonValueKind.String ? throw new FormatException($"\"{member}\" is not a string")
        : value.GetString() is { Length: > 0 } text ? text : null;
}
