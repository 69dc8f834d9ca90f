using System.Globalization;
using System.Linq.Expressions;

namespace Broker.Core.Ledger.Wire;

/// <summary>How a single value is written as a text of the wire, and read from it; nothing (null) is the empty text.</summary>
internal static class WireText
{
    private const long LongestMilliseconds = long.MaxValue / System.TimeSpan.TicksPerMillisecond;

    private static readonly long FirstMillisecond = System.DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long LastMillisecond = System.DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>The word for a type in a script's header; null: it is not a single value.</summary>
    public static string? WordFor(Type type) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        var t when t == typeof(string) || t.IsEnum => "",
        var t when t == typeof(int) || t == typeof(long) || t == typeof(double) => "number",
        var t when t == typeof(bool) => "flag",
        var t when t == typeof(TimeSpan) => "ms",
        var t when t == typeof(DateTimeOffset) => "time",
        _ => null,
    };

    /// <summary>An expression that makes a text of a value.</summary>
    public static Expression Write(Expression value)
    {
        if (value.Type == typeof(string)) return Expression.Coalesce(value, Expression.Constant(""));
        if (Nullable.GetUnderlyingType(value.Type) is null) return Expression.Call(typeof(WireText), nameof(Text), [], Plain(value));
        return Expression.Condition(Expression.Property(value, "HasValue"), Write(Expression.Property(value, "Value")), Expression.Constant(""));
    }

    /// <summary>An expression that makes a value of a text.</summary>
    public static Expression Read(Type type, Expression text)
    {
        if (type == typeof(string)) return text;
        if (type.IsEnum) return Expression.Call(typeof(WireText), nameof(Member), [type], text);
        if (Nullable.GetUnderlyingType(type) is not { } inner) return Expression.Call(typeof(WireText), type.Name, [], text);
        var word = Expression.Variable(typeof(string));
        return Expression.Block(
            [word],
            Expression.Assign(word, text),
            Expression.Condition(Expression.Equal(Expression.Property(word, nameof(string.Length)), Expression.Constant(0)), Expression.Default(type), Expression.Convert(Read(inner, word), type)));
    }

    private static Expression Plain(Expression value) => value.Type.IsEnum ? Expression.Convert(value, typeof(Enum)) : value;

    private static string Text(Enum value) => value.ToString();

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(double number) => number.ToString("0.###", CultureInfo.InvariantCulture);

    private static string Text(bool flag) => flag ? "1" : "0";

    private static string Text(TimeSpan time) => Text((long)time.TotalMilliseconds);

    private static string Text(DateTimeOffset time) => Text(time.ToUnixTimeMilliseconds());

    // By name alone: Enum.Parse takes numbers too.
    private static T Member<T>(string text)
        where T : struct, Enum => Members<T>.ByName.TryGetValue(text, out var member) ? member : throw WireReader.Misunderstood(text);

    // Named after the types they read.
    public static int Int32(string text) => int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : throw WireReader.Misunderstood(text);

    public static long Int64(string text) => long.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : throw WireReader.Misunderstood(text);

    private static double Double(string text) => double.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : throw WireReader.Misunderstood(text);

    private static bool Boolean(string text) => text == "1";

    // Somebody who writes into Redis may have put any number there; a number that is not a time of ours is refused like any other text.
    private static TimeSpan TimeSpan(string text) =>
        Int64(text) is var milliseconds and >= -LongestMilliseconds and <= LongestMilliseconds ? System.TimeSpan.FromMilliseconds(milliseconds) : throw WireReader.Misunderstood(text);

    private static DateTimeOffset DateTimeOffset(string text) =>
        Int64(text) is var milliseconds && milliseconds >= FirstMillisecond && milliseconds <= LastMillisecond ? System.DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : throw WireReader.Misunderstood(text);

    private static class Members<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<string, T> ByName = Enum.GetValues<T>().ToDictionary(static member => member.ToString(), StringComparer.Ordinal);
    }
}
