namespace Broker.Core.Ledger.OnDisk;

/// <summary>The changes of decisions that are written to the file together; their callers wait until they are.</summary>
internal sealed class Batch
{
    private readonly TaskCompletionSource written = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The cells with their new values; null: it is gone.</summary>
    public Dictionary<Cell, string?> Cells { get; } = [];

    /// <summary>The sum over all of the ledger's cells after this.</summary>
    public UInt128 Sum { get; private set; }

    /// <summary>Done when it is on the disk.</summary>
    public Task Written => written.Task;

    public void Add(Dictionary<Cell, string?> changes, UInt128 sum)
    {
        foreach (var (cell, value) in changes) Cells[cell] = value;
        Sum = sum;
    }

    public void Succeed() => written.SetResult();

    public void Fail(LedgerFileException why)
    {
        written.SetException(why);
        _ = written.Task.Exception; // there may be no waiter
    }
}
