using System.Net.Sockets;

namespace Broker.Tests.Ledger;

/// <summary>A proxy that can hold back a server's answers, while requests go through.</summary>
internal sealed class HeldAnswers : WayToServer
{
    private volatile TaskCompletionSource pass = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="behind">The server's port.</param>
    public HeldAnswers(int behind)
    {
        Behind = behind;
        LetGo();
    }

    /// <summary>From now on no answer goes through.</summary>
    public void Hold() => pass = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What was held goes through, and all that follows.</summary>
    public void LetGo() => pass.TrySetResult();

    protected override async Task AnswerAsync(NetworkStream server, NetworkStream guest, CancellationToken cancellation)
    {
        var buffer = new byte[65_536];
        while (await server.ReadAsync(buffer, cancellation) is > 0 and var read)
        {
            await pass.Task.WaitAsync(cancellation);
            await guest.WriteAsync(buffer.AsMemory(0, read), cancellation);
        }
    }
}
