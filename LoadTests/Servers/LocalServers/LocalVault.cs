using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A Vault or OpenBao to try things on: started in development mode when <c>VAULT_BIN</c> names its program, or the running one
/// named by <c>BROKER_TEST_VAULT</c> (address) with <c>BROKER_TEST_VAULT_TOKEN</c>. Every mount made here has a name of its
/// own and is removed again.
/// </summary>
public sealed class LocalVault : IAsyncDisposable
{
    /// <summary>What a test says that is skipped because there is none.</summary>
    public const string HowToGetOne = "set VAULT_BIN to a vault or bao program, or BROKER_TEST_VAULT (address) and BROKER_TEST_VAULT_TOKEN";

    private readonly ChildProcess? process;
    private readonly PrivateDirectory? directory;
    private readonly HttpClient client;
    private readonly List<string> made = [];

    private LocalVault(Uri address, string token, ChildProcess? process, PrivateDirectory? directory)
    {
        Address = address;
        Token = token;
        this.process = process;
        this.directory = directory;
        client = new HttpClient { BaseAddress = address, Timeout = ChildProcess.StartsWithin };
        client.DefaultRequestHeaders.Add("X-Vault-Token", token);
        client.DefaultRequestHeaders.Add("X-Vault-Request", "true");
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>A token that may do everything needed here; the root token in development mode.</summary>
    public string Token { get; }

    /// <summary>Starts or finds one.</summary>
    /// <returns>Null when none is named: say <c>skipped: </c><see cref="HowToGetOne"/>.</returns>
    /// <exception cref="ServerStartException">One is named, and does not start or answer.</exception>
    public static async Task<LocalVault?> StartAsync(CancellationToken cancellation = default)
    {
        if (Environment.GetEnvironmentVariable("VAULT_BIN") is { Length: > 0 } program)
            return await LoopbackPort.StartOnAsync(port => StartProcessAsync(program, port, cancellation));
        if (Environment.GetEnvironmentVariable("BROKER_TEST_VAULT") is not { Length: > 0 } address)
            return null;
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri))
            throw new ServerStartException($"BROKER_TEST_VAULT is '{address}', which is no address such as http://127.0.0.1:8200.");
        if (Environment.GetEnvironmentVariable("BROKER_TEST_VAULT_TOKEN") is not { Length: > 0 } token)
            throw new ServerStartException("BROKER_TEST_VAULT is set, BROKER_TEST_VAULT_TOKEN is not: set it to a token that may mount secrets engines.");

        var vault = new LocalVault(uri, token, null, null);
        return await vault.AnswersAsync(cancellation)
            ? vault
            : throw new ServerStartException($"No unsealed Vault answers at {uri} (BROKER_TEST_VAULT).");
    }

    /// <summary>
    /// Mounts a database secrets engine, connects it to a PostgreSQL, and makes one role whose users may use the schema public.
    /// </summary>
    /// <param name="postgres">The server it creates users on.</param>
    /// <param name="role">The role's name.</param>
    /// <param name="creationStatements">In Vault's template language.</param>
    /// <param name="defaultTtl">How long a lease lives before it is renewed.</param>
    /// <param name="maxTtl">How long it can live at most.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The path to read for a new user, e.g. <c>database-…/creds/orders-api</c>.</returns>
    public async Task<string> ServeAsync(
        LocalPostgres postgres,
        string role,
        IReadOnlyList<string> creationStatements,
        TimeSpan defaultTtl,
        TimeSpan maxTtl,
        CancellationToken cancellation = default)
    {
        var mount = $"database-{Guid.NewGuid():N}";
        await WriteAsync($"sys/mounts/{mount}", new JsonObject { ["type"] = "database" }, cancellation);
        made.Add($"sys/mounts/{mount}");
        await WriteAsync($"{mount}/config/postgres", new JsonObject
        {
            ["plugin_name"] = "postgresql-database-plugin",
            ["connection_url"] = $"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres.Host}:{postgres.Port}/{postgres.Database}?sslmode=disable",
            ["username"] = postgres.AdminUsername,
            ["password"] = postgres.AdminPassword,
            ["allowed_roles"] = new JsonArray(role),
            ["max_open_connections"] = 2,
        }, cancellation);
        await WriteAsync($"{mount}/roles/{role}", new JsonObject
        {
            ["db_name"] = "postgres",
            ["creation_statements"] = new JsonArray([.. creationStatements.Select(statement => JsonValue.Create(statement))]),
            ["default_ttl"] = $"{(long)defaultTtl.TotalSeconds}s",
            ["max_ttl"] = $"{(long)maxTtl.TotalSeconds}s",
        }, cancellation);
        return $"{mount}/creds/{role}";
    }

    /// <summary>Asks for a new user, as a pod without the broker does.</summary>
    public async Task<(string Username, string Password)> ReadCredentialsAsync(string path, CancellationToken cancellation = default)
    {
        using var answer = await client.GetAsync(new Uri($"/v1/{path}", UriKind.Relative), cancellation);
        await EnsureAsync(answer, cancellation);
        var data = (await answer.Content.ReadFromJsonAsync<JsonObject>(cancellation))!["data"]!;
        return (data["username"]!.GetValue<string>(), data["password"]!.GetValue<string>());
    }

    /// <summary>Makes an AppRole that may read one path, with a mount and a policy of its own.</summary>
    /// <param name="path">What it may read.</param>
    /// <param name="period">Its tokens live as long as they are renewed within this.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<(string Mount, string RoleId, string SecretId)> CreateAppRoleAsync(string path, TimeSpan period, CancellationToken cancellation = default)
    {
        var name = $"approle-{Guid.NewGuid():N}";
        await WriteAsync($"sys/auth/{name}", new JsonObject { ["type"] = "approle" }, cancellation);
        made.Add($"sys/auth/{name}");
        await WriteAsync($"sys/policies/acl/{name}", new JsonObject { ["policy"] = $$"""path "{{path}}" { capabilities = ["read"] }""" }, cancellation);
        made.Add($"sys/policies/acl/{name}");
        var role = $"auth/{name}/role/agent";
        await WriteAsync(role, new JsonObject { ["token_policies"] = name, ["token_period"] = $"{(long)period.TotalSeconds}s" }, cancellation);
        using var id = await client.GetAsync(new Uri($"/v1/{role}/role-id", UriKind.Relative), cancellation);
        using var secret = await client.PostAsync(new Uri($"/v1/{role}/secret-id", UriKind.Relative), null, cancellation);
        return (name, await TextAsync(id, "role_id", cancellation), await TextAsync(secret, "secret_id", cancellation));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // Unmounting revokes the engine's leases, so that no user of ours stays in a database somebody else runs.
            foreach (var path in made.Where(_ => process is null))
            {
                using var answer = await client.DeleteAsync(new Uri($"/v1/{path}", UriKind.Relative));
                await EnsureAsync(answer, CancellationToken.None);
            }
        }
        finally
        {
            client.Dispose();
            if (process is not null)
                await process.DisposeAsync();
            if (directory is not null)
                await directory.DisposeAsync();
        }
    }

    private static async Task<LocalVault> StartProcessAsync(string program, int port, CancellationToken cancellation)
    {
        if (!File.Exists(program))
            throw new ServerStartException($"VAULT_BIN is '{program}', and there is no such file.");
        var token = $"root-{Guid.NewGuid():N}";
        var directory = await PrivateDirectory.CreateAsync("vault", owner: null);
        ChildProcess? process = null;
        try
        {
            process = await ChildProcess.StartAsync(new()
            {
                Program = program,
                Arguments = ["server", "-dev", "-dev-no-store-token", $"-dev-root-token-id={token}", $"-dev-listen-address=127.0.0.1:{port}"],
                LogFile = Path.Combine(directory.Path, "vault.log"),
                WorkingDirectory = directory.Path,
                Environment = new Dictionary<string, string> { ["HOME"] = directory.Path },
            });
            var vault = new LocalVault(new Uri($"http://127.0.0.1:{port}"), token, process, directory);
            await process.ReadyAsync(vault.AnswersAsync, ChildProcess.StartsWithin, cancellation);
            return vault;
        }
        catch
        {
            if (process is not null)
                await process.DisposeAsync();
            await directory.DisposeAsync();
            throw;
        }
    }

    private static async Task EnsureAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        if (!answer.IsSuccessStatusCode)
            throw new HttpRequestException(
                $"Vault answered {(int)answer.StatusCode} to {answer.RequestMessage!.Method} {answer.RequestMessage.RequestUri!.AbsolutePath}: "
                + await answer.Content.ReadAsStringAsync(cancellation),
                null,
                answer.StatusCode);
    }

    private static async Task<string> TextAsync(HttpResponseMessage answer, string field, CancellationToken cancellation)
    {
        await EnsureAsync(answer, cancellation);
        return (await answer.Content.ReadFromJsonAsync<JsonObject>(cancellation))!["data"]![field]!.GetValue<string>();
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri("/v1/sys/health", UriKind.Relative), cancellation);
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task WriteAsync(string path, JsonObject body, CancellationToken cancellation)
    {
        using var answer = await client.PostAsJsonAsync(new Uri($"/v1/{path}", UriKind.Relative), body, cancellation);
        await EnsureAsync(answer, cancellation);
    }
}
