using System.Text;

namespace Broker.Tests.Audit;

/// <summary>A named pipe that is full: whoever writes to it hangs until it is let go.</summary>
public sealed class StuckPipe : IDisposable
{
    private const int Capacity = 65536;
    private readonly FileStream end;
    private readonly MemoryStream taken = new();
    private Thread? reader;
    private volatile bool freed;
    private int filled;

    /// <param name="folder">Where it is.</param>
    /// <param name="isFull">False: it takes what is written until <see cref="FillAsync"/>.</param>
    public StuckPipe(AuditFolder folder, bool isFull = true)
    {
        Path = System.IO.Path.Combine(folder.Root, "pipe");
        AuditFolder.Run("mkfifo", Path);
        end = new FileStream(Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        if (isFull) end.Write(new byte[Capacity]);
    }

    public string Path { get; }

    /// <summary>Fills it, behind what was written already: returns when nothing more goes in.</summary>
    public async Task FillAsync(CancellationToken cancellation)
    {
        new Thread(() =>
        {
            for (var page = new byte[4096]; !freed; Interlocked.Increment(ref filled)) end.Write(page);
        })
        { IsBackground = true }.Start();
        var (seen, still) = (-1, 0);
        await Eventually.HoldsAsync(
            () =>
            {
                var now = Volatile.Read(ref filled);
                still = now == seen && now > 0 ? still + 1 : 0;
                seen = now;
                return Task.FromResult(still == 30);
            },
            "the pipe is full",
            cancellation);
    }

    /// <summary>Reads what is written from now on.</summary>
    public void LetGo()
    {
        reader = new Thread(() =>
        {
            var buffer = new byte[4096];
            for (var filling = Capacity; filling > 0;) filling -= end.Read(buffer, 0, Math.Min(filling, buffer.Length));
            // No line holds a zero byte, so one says: no more to come.
            for (var more = true; more;)
            {
                var read = buffer.AsSpan(0, end.Read(buffer));
                more = !read.Contains((byte)0);
                taken.Write(more ? read : read[..read.IndexOf((byte)0)]);
            }
        });
        reader.Start();
    }

    /// <summary>All lines written to the pipe; ends the reading.</summary>
    public string Text()
    {
        end.Write([0]);
        reader!.Join();
        reader = null;
        return Encoding.UTF8.GetString(taken.ToArray());
    }

    /// <summary>The records among the lines; ends the reading.</summary>
    public IEnumerable<string> Records() => Text().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !AuditFolder.IsOfChain(line));

    public void Dispose()
    {
        if (reader is not null) Text();
        // Who fills it goes on once more, and sees that it is to end.
        freed = true;
        if (filled > 0) end.ReadExactly(new byte[2 * 4096]);
        end.Dispose();
    }
}
