using System.Linq.Expressions;

namespace Broker.Core.Ledger.Wire;

/// <summary>Writes and reads one type as texts, by code that is compiled once, from its <see cref="WireShape"/>.</summary>
internal sealed class WireFormat<T>
{
    private readonly Lazy<Action<T, List<string>>> write;
    private readonly Lazy<Func<WireReader, T>> read;

    private WireFormat()
    {
        Shape = WireShape.Of(typeof(T));
        write = new(CompileWrite);
        read = new(CompileRead);
    }

    public static WireFormat<T> Instance { get; } = new();

    public WireShape Shape { get; }

    public Action<T, List<string>> Write => write.Value;

    public Func<WireReader, T> Read => read.Value;

    /// <summary>Reads a whole text.</summary>
    public T ReadAll(IReadOnlyList<string> words, int from = 0)
    {
        var reader = new WireReader(words, from);
        var found = Read(reader);
        reader.ExpectEnd();
        return found;
    }

    private Action<T, List<string>> CompileWrite()
    {
        var (record, words) = (Expression.Parameter(typeof(T)), Expression.Parameter(typeof(List<string>)));
        if (Shape.IsSingle) return Expression.Lambda<Action<T, List<string>>>(Add(WireText.Write(record)), record, words).Compile();
        var steps = Shape.Fields.Select(field => Expression.Property(record, field.Property) is var value && field.Items is null
            ? Add(WireText.Write(value))
            : Expression.Call(typeof(WireFormat<T>), nameof(WriteList), [field.Items!.Type], value, words));
        return Expression.Lambda<Action<T, List<string>>>(Expression.Block(steps), record, words).Compile();

        Expression Add(Expression text) => Expression.Call(words, nameof(List<string>.Add), [], text);
    }

    private Func<WireReader, T> CompileRead()
    {
        if (typeof(T).IsEnum)
        {
            var values = Enum.GetValues(typeof(T)).Cast<T>().ToDictionary(value => WireShape.NameOf(value!.ToString()!), StringComparer.Ordinal);
            return reader => reader.Next() is var word && values.TryGetValue(word, out var value) ? value : throw WireReader.Misunderstood(word);
        }

        if (Shape.Kinds.Count > 0)
        {
            var kinds = Shape.Kinds.ToDictionary(kind => kind.Kind, kind => Compile(kind), StringComparer.Ordinal);
            return reader => reader.Next() is var word && kinds.TryGetValue(word, out var kind) ? kind(reader) : throw WireReader.Misunderstood(word);
        }

        return Compile(Shape);
    }

    private static Func<WireReader, T> Compile(WireShape shape)
    {
        var reader = Expression.Parameter(typeof(WireReader));
        var next = Expression.Call(reader, nameof(WireReader.Next), []);
        Expression made = next;
        if (!shape.IsSingle)
        {
            var values = shape.Fields.Select(field => field.Items is { } items
                ? Expression.Call(typeof(WireFormat<T>), items.Kinds.Count > 0 ? nameof(ReadTexts) : nameof(ReadList), [items.Type], reader)
                : WireText.Read(field.Property.PropertyType, next)).ToArray();
            var constructor = WireShape.ConstructorOf(shape.Type);
            made = constructor.GetParameters().Length > 0
                ? Expression.New(constructor, values)
                : Expression.MemberInit(Expression.New(constructor), shape.Fields.Select((field, at) => Expression.Bind(field.Property, values[at])));
        }

        return Expression.Lambda<Func<WireReader, T>>(made, reader).Compile();
    }

    private static void WriteList<TItem>(IReadOnlyList<TItem> items, List<string> words)
    {
        words.Add(items.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var write = WireFormat<TItem>.Instance.Write;
        for (var i = 0; i < items.Count; i++) write(items[i], words);
    }

    private static TItem[] ReadList<TItem>(WireReader reader)
    {
        var items = new TItem[reader.Count()];
        var read = WireFormat<TItem>.Instance.Read;
        for (var i = 0; i < items.Length; i++) items[i] = read(reader);
        return items;
    }

    // Items of several kinds are one text each, its parts divided by bars; a last part may hold bars of its own.
    private static TItem[] ReadTexts<TItem>(WireReader reader)
    {
        var items = new TItem[reader.Count()];
        var format = WireFormat<TItem>.Instance;
        for (var i = 0; i < items.Length; i++)
        {
            var text = reader.Next();
            var end = text.IndexOf('|', StringComparison.Ordinal);
            items[i] = format.ReadAll(text.Split('|', PartsOf(text.AsSpan(0, end < 0 ? text.Length : end)) + 1));
        }

        return items;

        // Called for each claim: must not allocate.
        int PartsOf(ReadOnlySpan<char> name)
        {
            foreach (var kind in format.Shape.Kinds)
                if (name.SequenceEqual(kind.Kind)) return kind.Fields.Count;
            return 0;
        }
    }
}

/// <summary>The texts of an answer, one after the other.</summary>
internal sealed class WireReader(IReadOnlyList<string> words, int from)
{
    private int at = from;

    /// <exception cref="LedgerException">There are no more.</exception>
    public string Next() => at < words.Count ? words[at++] : throw Misunderstood("nothing more");

    /// <summary>How many items follow. Each takes at least one text, so that a made-up number takes no memory.</summary>
    /// <exception cref="LedgerException">It is not a number, or fewer texts follow.</exception>
    public int Count() =>
        Next() is var word && int.TryParse(word, System.Globalization.CultureInfo.InvariantCulture, out var count) && count >= 0 && count <= words.Count - at ? count : throw Misunderstood(word);

    /// <exception cref="LedgerException">There are more.</exception>
    public void ExpectEnd()
    {
        if (at < words.Count) throw Misunderstood(words[at]);
    }

    public static LedgerException Misunderstood(string word) =>
        new($"The ledger answered '{word}' where it should not: another version of the broker may be writing it.");
}
