using System.Text;

namespace Broker.Tests.Audit;

/// <summary>A named pipe that is full: whoever writes to it hangs until it is let go.</summary>
public sealed class StuckPipe : IDisposable
{
    private const int Capacity = 65536;
    private readonly FileStream end;
    private readonly MemoryStream taken = new();
    private Thread? reader;

    public StuckPipe(AuditFolder folder)
    {
        Path = System.IO.Path.Combine(folder.Root, "pipe");
        AuditFolder.Run("mkfifo", Path);
        end = new FileStream(Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        end.Write(new byte[Capacity]);
    }

    public string Path { get; }

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
        end.Dispose();
    }
}
