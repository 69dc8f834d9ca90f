using System.Net;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A Vault or OpenBao agent that caches what it reads, as many pods of a node or a namespace share one: it logs in by itself,
/// and whoever asks without a token gets what the agent's token may have. Needs <c>VAULT_BIN</c> (Vault 1.13 or OpenBao).
/// </summary>
public sealed class LocalVaultAgent : IAsyncDisposable
{
    /// <summary>What is said when there is none.</summary>
    public const string HowToGetOne = "set VAULT_BIN to a vault or bao program";

    private readonly ChildProcess process;
    private readonly PrivateDirectory directory;

    private LocalVaultAgent(ChildProcess process, PrivateDirectory directory, Uri address)
    {
        this.process = process;
        this.directory = directory;
        Address = address;
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>The id of the process.</summary>
    public int ProcessId => process.Id;

    /// <summary>Starts one in front of a Vault, and sees that two reads of a path answer the same login.</summary>
    /// <returns>Null when no program is named: say <c>skipped: </c><see cref="HowToGetOne"/>.</returns>
    /// <exception cref="ServerStartException">It did not start, or does not cache.</exception>
    public static async Task<LocalVaultAgent?> StartAsync(LocalVault vault, string path, CancellationToken cancellation = default)
    {
        if (Environment.GetEnvironmentVariable("VAULT_BIN") is not { Length: > 0 } program) return null;
        var token = await vault.CreateTokenAsync(TimeSpan.FromHours(1), cancellation);
        return await LoopbackPort.StartOnAsync(port => StartAsync(program, vault, token, path, port, cancellation));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private static async Task<LocalVaultAgent> StartAsync(string program, LocalVault vault, string token, string path, int port, CancellationToken cancellation)
    {
        var directory = await PrivateDirectory.CreateAsync("vault-agent", owner: null);
        ChildProcess? process = null;
        try
        {
            var (tokenFile, configuration) = (Path.Combine(directory.Path, "token"), Path.Combine(directory.Path, "agent.hcl"));
            await File.WriteAllTextAsync(tokenFile, token, cancellation);
            await File.WriteAllTextAsync(configuration, Configuration(vault.Address, tokenFile, port), cancellation);
            process = await ChildProcess.StartAsync(new()
            {
                Program = program,
                Arguments = ["agent", $"-config={configuration}"],
                LogFile = Path.Combine(directory.Path, "agent.log"),
                WorkingDirectory = directory.Path,
                Environment = new Dictionary<string, string> { ["HOME"] = directory.Path },
            });
            var agent = new LocalVaultAgent(process, directory, new Uri($"http://127.0.0.1:{port}"));
            using var client = new HttpClient { BaseAddress = agent.Address, Timeout = TimeSpan.FromSeconds(10) };
            await process.ReadyAsync(cancel => IsReadyAsync(client, path, cancel), ChildProcess.StartsWithin, cancellation);
            if (await UsernameAsync(client, path, cancellation) != await UsernameAsync(client, path, cancellation))
                throw new ServerStartException($"The agent of {program} does not cache {path}: two reads answered two logins. The end of its log:\n{process.EndOfLog()}");
            return agent;
        }
        catch
        {
            if (process is not null)
                await process.DisposeAsync();
            await directory.DisposeAsync();
            throw;
        }
    }

    private static string Configuration(Uri vault, string tokenFile, int port) =>
        $$"""
        vault {
          address = "{{vault.OriginalString}}"
        }
        auto_auth {
          method {
            type = "token_file"
            config = {
              token_file_path = "{{tokenFile}}"
            }
          }
        }
        cache {
        }
        api_proxy {
          use_auto_auth_token = true
        }
        listener "tcp" {
          address     = "127.0.0.1:{{port}}"
          tls_disable = true
        }
        """;

    // Listening comes before logged in; until then the agent passes on requests without a token, which Vault refuses.
    private static async Task<bool> IsReadyAsync(HttpClient client, string path, CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri($"/v1/{path}", UriKind.Relative), cancellation);
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<string> UsernameAsync(HttpClient client, string path, CancellationToken cancellation) =>
        JsonNode.Parse(await client.GetStringAsync(new Uri($"/v1/{path}", UriKind.Relative), cancellation))!["data"]!["username"]!.GetValue<string>();
}
