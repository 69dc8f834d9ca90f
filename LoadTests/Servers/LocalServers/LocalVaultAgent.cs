using System.Net;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A Vault or OpenBao agent that caches what it reads, as many pods of a node or a namespace share one: it logs in by itself,
/// and whoever asks without a token gets what the agent's token may have. Needs <c>VAULT_BIN</c>.
/// </summary>
public sealed class LocalVaultAgent : IAsyncDisposable
{
    /// <summary>The message when there is no agent.</summary>
    public const string HowToGetOne = "set VAULT_BIN to a vault or bao program";

    /// <summary>The program of <c>VAULT_BIN</c>; null: none is named.</summary>
    public static string? Program => Environment.GetEnvironmentVariable("VAULT_BIN") is { Length: > 0 } program ? program : null;

    private readonly ChildProcess process;
    private readonly PrivateDirectory directory;
    private readonly HttpClient client;

    private LocalVaultAgent(ChildProcess process, PrivateDirectory directory, Uri address)
    {
        this.process = process;
        this.directory = directory;
        Address = address;
        client = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(10) };
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>The id of the process.</summary>
    public int ProcessId => process.Id;

    /// <summary>Starts one in front of a Vault. It is logged in, and has read nothing yet.</summary>
    /// <returns>Null when no program is named: say <c>skipped: </c><see cref="HowToGetOne"/>.</returns>
    /// <exception cref="ServerStartException">It did not start, or did not log in.</exception>
    public static async Task<LocalVaultAgent?> StartAsync(LocalVault vault, string path, CancellationToken cancellation = default)
    {
        if (Program is not { } program) return null;
        var role = await vault.CreateAppRoleAsync(path, TimeSpan.FromHours(1), cancellation);
        return await LoopbackPort.StartOnAsync(port => StartAsync(program, vault, role, port, cancellation));
    }

    /// <summary>Sees that two reads of a path answer the same login.</summary>
    /// <exception cref="ServerStartException">They do not.</exception>
    public async Task MustCacheAsync(string path, CancellationToken cancellation = default)
    {
        if (await UsernameAsync(path, cancellation) != await UsernameAsync(path, cancellation))
            throw new ServerStartException($"The Vault agent does not cache {path}: two reads answered two logins. The end of its log:\n{process.EndOfLog()}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private static async Task<LocalVaultAgent> StartAsync(string program, LocalVault vault, (string Mount, string RoleId, string SecretId) role, int port, CancellationToken cancellation)
    {
        var directory = await PrivateDirectory.CreateAsync("vault-agent", owner: null);
        ChildProcess? process = null;
        try
        {
            var (roleFile, secretFile, configuration) = (Path.Combine(directory.Path, "role"), Path.Combine(directory.Path, "secret"), Path.Combine(directory.Path, "agent.hcl"));
            await File.WriteAllTextAsync(roleFile, role.RoleId, cancellation);
            await File.WriteAllTextAsync(secretFile, role.SecretId, cancellation);
            await File.WriteAllTextAsync(configuration, Configuration(vault.Address, role.Mount, roleFile, secretFile, port), cancellation);
            process = await ChildProcess.StartAsync(new()
            {
                Program = program,
                Arguments = ["agent", $"-config={configuration}"],
                LogFile = Path.Combine(directory.Path, "agent.log"),
                WorkingDirectory = directory.Path,
                Environment = new Dictionary<string, string> { ["HOME"] = directory.Path },
            });
            var agent = new LocalVaultAgent(process, directory, new Uri($"http://127.0.0.1:{port}"));
            await process.ReadyAsync(agent.IsReadyAsync, ChildProcess.StartsWithin, cancellation);
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

    // In words that every version knows: newer ones read use_auto_auth_token under api_proxy as well.
    private static string Configuration(Uri vault, string mount, string roleFile, string secretFile, int port) =>
        $$"""
        vault {
          address = "{{vault.OriginalString}}"
        }
        auto_auth {
          method "approle" {
            mount_path = "auth/{{mount}}"
            config = {
              role_id_file_path                   = "{{roleFile}}"
              secret_id_file_path                 = "{{secretFile}}"
              remove_secret_id_file_after_reading = false
            }
          }
        }
        cache {
          use_auto_auth_token = true
        }
        listener "tcp" {
          address     = "127.0.0.1:{{port}}"
          tls_disable = true
        }
        """;

    // Listening comes before logged in; until then the agent passes on requests without a token, which Vault refuses.
    private async Task<bool> IsReadyAsync(CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri("/v1/auth/token/lookup-self", UriKind.Relative), cancellation);
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task<string> UsernameAsync(string path, CancellationToken cancellation) =>
        JsonNode.Parse(await client.GetStringAsync(new Uri($"/v1/{path}", UriKind.Relative), cancellation))!["data"]!["username"]!.GetValue<string>();
}
