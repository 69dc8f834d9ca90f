using Broker.Core.Ledger.InProcess;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>A keyspace that remembers which of its cells changed, and knows the sum over all of them.</summary>
internal class RecordedKeyspace(TimeProvider time, Action<string, string> publish) : Keyspace(time, publish)
{
    private readonly Dictionary<Cell, string?> before = [];

    /// <summary>The sum over all cells, as of the last <see cref="TakeChanges"/>.</summary>
    public UInt128 Sum { get; private set; }

    public override object? Execute(string[] words)
    {
        foreach (var cell in Changed(words)) before.TryAdd(cell, ValueOf(cell));
        return base.Execute(words);
    }

    /// <summary>Takes over the content of another keyspace: a change like any other.</summary>
    public override void Become(Keyspace other)
    {
        foreach (var cell in Cells()) before.TryAdd(cell, ValueOf(cell));
        base.Become(other);
        foreach (var cell in Cells()) before.TryAdd(cell, null);
    }

    /// <summary>The cells whose values changed since the last call; null: it is gone.</summary>
    public Dictionary<Cell, string?> TakeChanges()
    {
        var changes = new Dictionary<Cell, string?>();
        foreach (var (cell, old) in before)
        {
            var value = ValueOf(cell);
            if (value == old) continue;
            Sum += cell.Share(value) - cell.Share(old);
            changes[cell] = value;
        }

        before.Clear();
        return changes;
    }

    /// <summary>Holds these cells, and nothing else; none of them is a change.</summary>
    public void Load(IEnumerable<(Cell Cell, string Value)> cells)
    {
        base.Become(InProcessLedgerStore.Empty());
        before.Clear();
        Sum = 0;
        foreach (var (cell, value) in cells)
        {
            base.Execute(cell.Ranked ? ["ZADD", cell.Key, value, cell.Name] : ["HSET", cell.Key, cell.Name, value]);
            Sum += cell.Share(value);
        }
    }

    private Cell[] Cells() => [.. Names().Select(static name => new Cell(name.Ranked, name.Key, name.Name))];

    private string? ValueOf(Cell cell) => cell.Ranked ? RankedSet.Text(RankedAt(cell.Key).Score(cell.Name)) : HashAt(cell.Key).GetValueOrDefault(cell.Name);

    // The cells that a command may change.
    private IEnumerable<Cell> Changed(string[] words) => words[0] switch
    {
        "HSET" => words.Skip(2).Where(static (_, at) => at % 2 == 0).Select(field => new Cell(false, words[1], field)),
        "HDEL" => words.Skip(2).Select(field => new Cell(false, words[1], field)),
        "HINCRBY" => [new(false, words[1], words[2])],
        "ZADD" => words.Skip(3).Where(static (_, at) => at % 2 == 0).Select(member => new Cell(true, words[1], member)),
        "ZREM" => [new(true, words[1], words[2])],
        "ZREMRANGEBYSCORE" => RankedAt(words[1]).Between(double.NegativeInfinity, Score(words[3]), int.MaxValue).Select(member => new Cell(true, words[1], member)),
        "TIME" or "HGET" or "HMGET" or "HGETALL" or "ZSCORE" or "ZRANK" or "ZCARD" or "ZRANGE" or "ZRANGEBYSCORE" or "PUBLISH" => [],
        _ => throw new ArgumentException("not a command of which the ledger in a file knows what it changes"),
    };
}
