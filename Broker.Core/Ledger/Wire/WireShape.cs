using System.Reflection;
using System.Text.Json;

namespace Broker.Core.Ledger.Wire;

/// <summary>
/// The wire format of a C# type. A record is written as its fields, one after the other: single values, or lists, each as its length and
/// their items. An abstract record is one of the kinds nested in it, an enum one of its values, each beginning with its name.
/// </summary>
internal sealed class WireShape
{
    private WireShape(Type type, IReadOnlyList<WireField> fields, IReadOnlyList<WireShape> kinds) =>
        (Type, Kind, Fields, Kinds) = (type, NameOf(type.Name), fields, kinds);

    public Type Type { get; }

    /// <summary>In their order; empty if there are kinds.</summary>
    public IReadOnlyList<WireField> Fields { get; }

    /// <summary>Its possible kinds; empty: it is always the same.</summary>
    public IReadOnlyList<WireShape> Kinds { get; }

    /// <summary>The name of a kind in scripts and on the wire.</summary>
    public string Kind { get; }

    /// <summary>All of a record's lists of records, and the lists in those.</summary>
    public IEnumerable<WireField> Groups => Fields.Where(list => list.Items is { IsSingle: false }).SelectMany(list => list.Items!.Groups.Prepend(list));

    /// <summary>Whether it is a single value instead of a record.</summary>
    public bool IsSingle => WireText.WordFor(Type) is not null;

    /// <exception cref="InvalidOperationException">The type cannot be on the wire.</exception>
    public static WireShape Of(Type type)
    {
        if (WireText.WordFor(type) is not null) return new(type, [], []);
        if (type.IsAbstract)
        {
            var kinds = type.GetNestedTypes(BindingFlags.Public | BindingFlags.NonPublic).Where(type.IsAssignableFrom).OrderBy(kind => kind.MetadataToken);
            return new(type, [], [.. kinds.Select(Of)]);
        }

        var parameters = ConstructorOf(type).GetParameters();
        IEnumerable<PropertyInfo> properties = parameters.Length > 0
            ? parameters.Select(parameter => type.GetProperty(parameter.Name!) ?? throw new InvalidOperationException($"{type.Name}.{parameter.Name} is not a property."))
            : type.GetProperties().Where(property => property.CanWrite && !property.IsDefined(typeof(NotOnWireAttribute))).OrderBy(property => property.MetadataToken);
        return new(type, [.. properties.Select(property => new WireField(property))], []);
    }

    /// <summary>A name of C# as scripts write it: <c>EndsAt</c> is <c>ends_at</c>.</summary>
    public static string NameOf(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary>The constructor that takes a record's fields, or nothing.</summary>
    public static ConstructorInfo ConstructorOf(Type type) =>
        type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)
            .Single(constructor => constructor.GetParameters() is not [{ } only] || only.ParameterType != type);
}

/// <summary>One field of a record on the wire.</summary>
internal sealed class WireField
{
    public WireField(PropertyInfo property)
    {
        Property = property;
        Name = WireShape.NameOf(property.Name);
        var type = property.PropertyType;
        if (WireText.WordFor(type) is { } word)
        {
            Word = word;
            IsNullable = Nullable.GetUnderlyingType(type) is not null
                || (type == typeof(string) && new NullabilityInfoContext().Create(property).ReadState == NullabilityState.Nullable);
        }
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
        {
            Items = WireShape.Of(type.GenericTypeArguments[0]);
        }
        else
        {
            throw new InvalidOperationException($"{property.DeclaringType!.Name}.{property.Name} cannot be on the wire: {type.Name}.");
        }
    }

    public PropertyInfo Property { get; }

    public string Name { get; }

    /// <summary>For a single value: its word in the header (<c>number</c>, <c>ms</c>, <c>time</c>, <c>flag</c>; empty: a text).</summary>
    public string Word { get; } = "";

    public bool IsNullable { get; }

    /// <summary>For a list: the shape of its items.</summary>
    public WireShape? Items { get; }
}

/// <summary>A property that the wire does not carry.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NotOnWireAttribute : Attribute;
