using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers.Ledgers;

/// <summary>One server, or two of which one is a copy of the other.</summary>
internal sealed class RedisOnStage(LocalRedis primary, LocalRedis? copy) : IRedisOnStage
{
    private LocalRedis deciding = primary;
    private LocalRedis? held;

    public string ConnectionString { get; } = copy is null ? primary.ConnectionString : $"{primary.ConnectionString},{copy.ConnectionString}";

    private LocalRedis Copy => copy ?? throw new InvalidOperationException("This Redis has no copy.");

    public async Task ExecuteAsync(string command, params object[] arguments)
    {
        await deciding.ExecuteAsync(command, arguments);
        if (copy is not null && copy != deciding) await copy.ExecuteAsync(command, arguments);
    }

    public Task PauseAsync() => HoldAsync(deciding);

    public Task PauseCopyAsync() => HoldAsync(Copy);

    public Task ResumeAsync() => held?.ResumeAsync() ?? Task.CompletedTask;

    public Task StopAsync() => deciding.StopAsync();

    public Task StartAgainAsync(CancellationToken cancellation) => deciding.StartAgainAsync(cancellation);

    public Task RestartEmptyAsync(CancellationToken cancellation) => deciding.RestartEmptyAsync(cancellation);

    public Task CutOffCopyAsync(CancellationToken cancellation) => Copy.CutOffAsync();

    public async Task FailOverAsync(CancellationToken cancellation)
    {
        await deciding.KillAsync();
        await Copy.PromoteAsync();
        deciding = Copy;
    }

    public Task MoveSlotAsync(TimeSpan pause, CancellationToken cancellation) => throw new InvalidOperationException("This Redis has no slots.");

    private Task HoldAsync(LocalRedis server)
    {
        held = server;
        return server.PauseAsync();
    }
}
