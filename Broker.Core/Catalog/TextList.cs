using System.Collections.ObjectModel;

namespace Broker.Core.Catalog;

/// <summary>Texts that are equal to others with the same texts in the same order: each reload reads new lists, and records compare them as they are.</summary>
internal sealed class TextList(IEnumerable<string> texts) : ReadOnlyCollection<string>([.. texts])
{
    public override bool Equals(object? obj) => obj is TextList other && this.SequenceEqual(other, StringComparer.Ordinal);

    public override int GetHashCode() => this.Aggregate(Count, static (hash, text) => HashCode.Combine(hash, text));
}
