using System.Collections.ObjectModel;

namespace Broker.Core.Catalog;

/// <summary>A list of strings with value equality: each reload reads new lists, and records compare their lists by reference otherwise.</summary>
internal sealed class TextList(IEnumerable<string> texts) : ReadOnlyCollection<string>([.. texts])
{
    public override bool Equals(object? obj) => obj is TextList other && this.SequenceEqual(other, StringComparer.Ordinal);

    public override int GetHashCode() => this.Aggregate(Count, static (hash, text) => HashCode.Combine(hash, text));
}
