using System.Text;

namespace Broker.Core.Ledger.Wire;

/// <summary>
/// The code behind <c>base.lua</c>, on the first line of what follows it: <c>asked</c> holds the question by field name, and <c>answer</c> makes
/// an answer from named fields. Generated from the C# types, so that no script counts positions.
/// </summary>
internal static class ScriptPrelude
{
    /// <summary>
    /// Names the keys, the channel, the asking replica's name, the mark of its own last change and the highest that it has seen, the duties of leases, and what nearly every function calls; precedes
    /// <c>base.lua</c>. <c>int</c> gives a number the form in which it is stored and leaves a text as it is.
    /// </summary>
    /// <remarks>
    /// The script itself is a function behind these names. Lua 5.1 looks for a captured local of the running function in a list of all that have been captured there
    /// (luaF_findupval in its lfunc.c), from the last declared to the first, for each function that is made; what an enclosing function declares is copied without a look.
    /// </remarks>
    public static string Names { get; } =
        $"local {string.Join(", ", LedgerKeys.Parts)} = (unpack or table.unpack)(KEYS) local channel, voice, heard, seen = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]) "
        + $"local function lease_duties() return {{ {string.Join(", ", DutyKinds.OfLeases.Select(kind => $"{kind.Key} = {{ {string.Join(", ", kind.Value.Select(state => $"{state} = true"))} }}"))} }} end "
        + "local call, unpack = redis.call, unpack or table.unpack local function int(n) if type(n) == 'string' then return n end return string.format(n % 1 == 0 and n < 1e15 and n > -1e15 and '%d' or '%.0f', n) end "
        + "local function num(text) return tonumber(text or '0') or 0 end return (function() ";

    /// <summary>Ends the function that <see cref="Names"/> opens, on the script's last line.</summary>
    public const string End = " end)()\n";

    public static string Of(WireShape asked, WireShape answer)
    {
        var lua = new StringBuilder();
        lua.Append("local asked = {} do local at = 4 local function word() at = at + 1 return ARGV[at] end ")
            .Append("local function some(text) if text ~= '' then return text end end ");
        Read(lua, asked, "asked", 0);
        lua.Append("if at ~= #ARGV then error('it was given ' .. #ARGV .. ' words, but expects ' .. at .. ': another version of the broker asks', 0) end end ");

        // A declared field that is missing is a mistake of the script.
        lua.Append("local function missing(name) error('its answer lacks ' .. name, 0) end ");
        lua.Append("local answer = ");
        if (answer.Type.IsEnum)
            lua.Append('{').AppendJoin(", ", Enum.GetNames(answer.Type).Select(WireShape.NameOf).Select(kind => $"{kind} = function() return {{ epoch, '', '{kind}' }} end")).Append("} ");
        else if (answer.Kinds.Count > 0)
            lua.Append('{').AppendJoin(", ", answer.Kinds.Select(kind => $"{kind.Kind} = {Writer(kind, kind.Kind)}")).Append("} ");
        else
            lua.Append(Writer(answer, null)).Append(' ');

        foreach (var group in answer.Groups.Where(group => group.Items!.Kinds.Count > 0))
        {
            lua.Append($"local {SayerOf(group)} = {{")
                .AppendJoin(", ", group.Items!.Kinds.Select(kind => $"{kind.Kind} = function(v) return {string.Join(" .. '|' .. ", kind.Fields.Select(field => Given(field, "v")).Prepend($"'{kind.Kind}'"))} end"))
                .Append("} ");
        }

        return lua.ToString();
    }

    /// <summary>The name by which a script makes a list's items by kind: <c>verdict</c> for <c>verdicts</c>.</summary>
    public static string SayerOf(WireField group) => group.Name.TrimEnd('s');

    private static void Read(StringBuilder lua, WireShape shape, string table, int depth)
    {
        foreach (var field in shape.Fields)
        {
            var target = $"{table}.{field.Name}";
            if (field.Items is not { } items)
            {
                lua.Append($"{target} = {Taken(field)} ");
                continue;
            }

            if (items.IsSingle)
            {
                // Without a function call per item: a batch of claims is two such lists.
                lua.Append($"do local all, words, last = {{}}, ARGV, tonumber(word()) for n = 1, last do all[n] = words[at + n] end at = at + last {target} = all end ");
                continue;
            }

            var (list, item) = ($"l{depth}", $"i{depth}");
            lua.Append($"do local {list} = {{}} {target} = {list} for n = 1, tonumber(word()) do ");
            lua.Append($"local {item} = {{}} {list}[n] = {item} ");
            Read(lua, items, item, depth + 1);
            lua.Append("end end ");
        }
    }

    private static string Taken(WireField field) => field.Word switch
    {
        "" => field.IsNullable ? "some(word())" : "word()",
        "flag" => "word() == '1'",
        _ => "tonumber(word())",
    };

    private static string Writer(WireShape shape, string? kind)
    {
        // An answer begins with the ledger's epoch, and the mark of the changes, which finish() puts there.
        string[] first = kind is null ? ["epoch", "''"] : ["epoch", "''", $"'{kind}'"];
        if (shape.Fields.All(field => field.Items is null))
            return $"function(v) return {{ {string.Join(", ", first.Concat(shape.Fields.Select(field => Given(field, "v"))))} }} end";

        var lua = new StringBuilder($"function(v) local r = {{ {string.Join(", ", first)} }} ");
        Write(lua, shape, "v", 0);
        return lua.Append("return r end").ToString();
    }

    private static void Write(StringBuilder lua, WireShape shape, string table, int depth)
    {
        foreach (var field in shape.Fields)
        {
            if (field.Items is not { } items)
            {
                lua.Append($"r[#r + 1] = {Given(field, table)} ");
                continue;
            }

            var item = $"i{depth}";
            lua.Append($"r[#r + 1] = int(#({table}.{field.Name} or missing('{field.Name}'))) for _, {item} in ipairs({table}.{field.Name}) do ");
            if (items.IsSingle || items.Kinds.Count > 0) lua.Append($"r[#r + 1] = {item} ");
            else Write(lua, items, item, depth + 1);
            lua.Append("end ");
        }
    }

    // The text of a field in a script's answer.
    private static string Given(WireField field, string table)
    {
        var value = $"{table}.{field.Name}";
        var missing = $"missing('{field.Name}')";
        return field.Word switch
        {
            "flag" => $"(({value} == nil and {missing} or {value}) and '1' or '0')",
            "" => field.IsNullable ? $"({value} or '')" : $"({value} or {missing})",
            _ => field.IsNullable ? $"({value} and int({value}) or '')" : $"int({value} or {missing})",
        };
    }
}
