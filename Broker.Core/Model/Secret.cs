using System.Text.Json;
using System.Text.Json.Serialization;

namespace Broker.Core.Model;

/// <summary>
/// A password or token. It prints, formats and serialises as <c>[redacted]</c>; only <see cref="Reveal"/> gives the value,
/// so every place that uses a secret in the clear can be found by searching for that word (law L6).
/// </summary>
[JsonConverter(typeof(RedactingConverter))]
public sealed class Secret : IEquatable<Secret>
{
    private readonly string value;

    /// <param name="value">The secret in the clear; not empty.</param>
    /// <exception cref="ArgumentException">The value is null or empty.</exception>
    public Secret(string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(value);
        this.value = value;
    }

    /// <summary>The value in the clear. Never log, trace, audit or throw what this returns.</summary>
    public string Reveal() => value;

    /// <inheritdoc/>
    public bool Equals(Secret? other) =>
        other is not null && System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(
            System.Text.Encoding.UTF8.GetBytes(value), System.Text.Encoding.UTF8.GetBytes(other.value));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Secret);

    /// <inheritdoc/>
    public override int GetHashCode() => value.GetHashCode(StringComparison.Ordinal);

    /// <summary>Always <c>[redacted]</c>.</summary>
    public override string ToString() => "[redacted]";

    private sealed class RedactingConverter : JsonConverter<Secret>
    {
        public override Secret? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new JsonException("A secret cannot be read from JSON.");

        public override void Write(Utf8JsonWriter writer, Secret value, JsonSerializerOptions options) =>
            writer.WriteStringValue("[redacted]");
    }
}
