using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>An OIDC server as a process of its own (<c>loadtests identity</c>), whose clock can be off.</summary>
public sealed class OidcProcess : IAsyncDisposable
{
    private readonly PrivateDirectory directory;
    private readonly HttpClient orders;
    private ChildProcess process = null!;

    private OidcProcess(PrivateDirectory directory, int port)
    {
        this.directory = directory;
        orders = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromMinutes(2) };
    }

    /// <summary>Where its discovery document is.</summary>
    public Uri Authority { get; private set; } = null!;

    /// <summary>Starts one.</summary>
    /// <param name="clockOff">How far its clock is ahead.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static Task<OidcProcess> StartAsync(TimeSpan clockOff, CancellationToken cancellation = default) => LoopbackPort.StartOnAsync(async port =>
    {
        var oidc = new OidcProcess(await PrivateDirectory.CreateAsync("oidc", owner: null), port);
        try
        {
            await oidc.RunAsync(port, clockOff, cancellation);
            return oidc;
        }
        catch
        {
            await oidc.DisposeAsync();
            throw;
        }
    });

    /// <summary>A token with these claims besides <c>iss</c>, <c>iat</c>, <c>nbf</c> and <c>exp</c> by its own clock.</summary>
    public async Task<string> TokenAsync(JsonObject claims, CancellationToken cancellation)
    {
        using var answer = await orders.PostAsJsonAsync("/tokens", claims, cancellation);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>Signs with a new key from now on.</summary>
    public async Task RotateAsync(bool keepOld, CancellationToken cancellation)
    {
        using var answer = await orders.PostAsync($"/rotate?keepOld={keepOld}", null, cancellation);
        answer.EnsureSuccessStatusCode();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        orders.Dispose();
        if (process is not null) await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private async Task RunAsync(int port, TimeSpan clockOff, CancellationToken cancellation)
    {
        process = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.DotNet(),
            Arguments = [typeof(OidcProcess).Assembly.Location, "identity", "--port", $"{port}", "--clock-off", $"{(int)clockOff.TotalSeconds}"],
            LogFile = Path.Combine(directory.Path, "oidc.log"),
            WorkingDirectory = directory.Path,
        });
        await process.ReadyAsync(IsReadyAsync, ChildProcess.StartsWithin, cancellation);
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancellation)
    {
        try
        {
            Authority = new Uri(await orders.GetStringAsync("/authority", cancellation));
            return true;
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
            return false;
        }
    }
}
