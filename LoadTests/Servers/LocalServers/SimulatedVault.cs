using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Broker.Core.Model;
using Microsoft.AspNetCore.Http;

namespace LoadTests.Servers.LocalServers;

/// <summary>What users a simulated role makes, and where.</summary>
/// <param name="Path">e.g. <c>database/creds/app</c>.</param>
/// <param name="Ttl">The role's default_ttl.</param>
/// <param name="MaxTtl">The role's max_ttl, counted from the issue.</param>
internal sealed record SimulatedRole(string Path, TimeSpan Ttl, TimeSpan MaxTtl)
{
    /// <summary>Creates the user: name, password, end. An exception is the driver's error.</summary>
    public Func<string, string, DateTimeOffset, Task> Create { get; init; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Moves the user's end.</summary>
    public Func<string, DateTimeOffset, Task> Extend { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>Drops the user.</summary>
    public Func<string, Task> Drop { get; init; } = _ => Task.CompletedTask;
}

/// <summary>The tokens a login gives.</summary>
internal sealed record SimulatedTokens
{
    public TimeSpan Ttl { get; init; } = TimeSpan.FromHours(1);

    public TimeSpan? Period { get; init; }

    /// <summary>How long renewals can keep one alive that is not periodic; Vault's own default.</summary>
    public TimeSpan MaxTtl { get; init; } = TimeSpan.FromDays(32);

    public TimeSpan? ExplicitMaxTtl { get; init; }

    public bool Renewable { get; init; } = true;

    public bool Batch { get; init; }

    /// <summary>For how many requests it works (<c>token_num_uses</c>); 0: any number. After the last one it is revoked, and its leases with it.</summary>
    public int NumUses { get; init; }

    /// <summary>Paths (prefixes) that the policy forbids.</summary>
    public IReadOnlyList<string> Forbidden { get; init; } = [];
}

/// <summary>What goes wrong with one request.</summary>
internal abstract record SimulatedFault
{
    /// <summary>Answers this instead of doing anything.</summary>
    public sealed record Answer(int Status, string? Error = null, string? RetryAfter = null, string? RawBody = null) : SimulatedFault;

    /// <summary>Does what was asked, then breaks the connection.</summary>
    public sealed record DoAndDie : SimulatedFault;

    /// <summary>Breaks the connection and does nothing.</summary>
    public sealed record Die : SimulatedFault;

    /// <summary>Does what was asked, then says nothing until the client leaves.</summary>
    public sealed record DoAndHang : SimulatedFault;
}

/// <summary>A request as it came.</summary>
internal sealed record SeenRequest(string Method, string Path, string? Token, IReadOnlyDictionary<string, string> Headers, JsonObject Body);

/// <summary>
/// A double that answers as Vault does: logins, tokens that live and die and take their leases with them, leases with real
/// users behind them (through the role's delegates), and every trouble a test asks for. One time, the given one.
/// </summary>
internal sealed class SimulatedVault : IAsyncDisposable
{
    public const string RoleId = "simulated-role-id";
    public const string SecretId = "simulated-secret-id";
    public const string Jwt = "simulated.jwt.value";

    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly Dictionary<string, Token> tokens = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Lease> leases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SimulatedRole> roles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Wrapped> wrapped = new(StringComparer.Ordinal);
    private readonly List<(string Prefix, SimulatedFault Fault)> faults = [];
    private readonly ConcurrentQueue<SeenRequest> seen = new();
    private readonly SemaphoreSlim sweeping = new(1);
    private ITimer? sweeper;
    private LoopbackServer server = null!;

    private SimulatedVault(TimeProvider time) => this.time = time;

    public Uri Address => server.Address;

    /// <summary>What the next logins give.</summary>
    public SimulatedTokens Tokens { get; set; } = new();

    /// <summary>Sealed: everything but health answers 503.</summary>
    public bool Sealed { get; set; }

    /// <summary>How long each request waits before it is looked at.</summary>
    public TimeSpan Slow { get; set; }

    /// <summary>Auth mounts and their methods.</summary>
    public Dictionary<string, string> Mounts { get; } = new(StringComparer.Ordinal) { ["approle"] = "approle", ["kubernetes"] = "kubernetes" };

    /// <summary>Whose tokens log in at a Kubernetes mount.</summary>
    public Func<string, bool> Believes { get; set; } = static jwt => jwt == Jwt;

    /// <summary>Roles of the Kubernetes mounts that other service accounts than the broker's have.</summary>
    public IReadOnlyList<string> RolesOfOthers { get; init; } = ["other"];

    /// <summary>Roles that no Kubernetes mount has.</summary>
    public IReadOnlyList<string> UnknownRoles { get; init; } = ["nosuch"];

    /// <summary>Other engines' answers, by method and path; null: there is none.</summary>
    public Func<SeenRequest, (int Status, JsonObject? Body)?> Others { get; set; } = static _ => null;

    public IReadOnlyCollection<SeenRequest> Seen => seen;

    /// <summary>Names of the users whose leases live.</summary>
    public IReadOnlyList<string> Users
    {
        get { lock (gate) return [.. leases.Values.Select(lease => lease.Username)]; }
    }

    public IReadOnlyList<string> LeaseIds
    {
        get { lock (gate) return [.. leases.Keys]; }
    }

    public IReadOnlyList<string> LiveTokens
    {
        get { lock (gate) return [.. tokens.Keys]; }
    }

    public static async Task<SimulatedVault> StartAsync(TimeProvider? time = null, X509Certificate2? certificate = null)
    {
        var vault = new SimulatedVault(time ?? TimeProvider.System);
        vault.server = await LoopbackServer.StartAsync(vault.HandleAsync, certificate);
        vault.sweeper = vault.time.CreateTimer(
            _ => _ = vault.SweepAsync(), null, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
        return vault;
    }

    public void AddRole(SimulatedRole role)
    {
        lock (gate) roles[role.Path] = role;
    }

    /// <summary>The next requests under a path (behind <c>/v1/</c>) meet this trouble, each once.</summary>
    public void Fail(string pathPrefix, SimulatedFault fault, int times = 1)
    {
        lock (gate) faults.AddRange(Enumerable.Repeat((pathPrefix, fault), times));
    }

    public void ForgetFaults()
    {
        lock (gate) faults.Clear();
    }

    /// <summary>A token made by an operator.</summary>
    public string CreateToken(SimulatedTokens settings)
    {
        lock (gate) return NewToken(settings, "auth/token/create", "token").Value;
    }

    /// <summary>Revokes a token, and with it its leases.</summary>
    public async Task RevokeTokenAsync(string token)
    {
        lock (gate) tokens.Remove(token);
        await SweepAsync();
    }

    public async Task RevokeAllTokensAsync()
    {
        lock (gate) tokens.Clear();
        await SweepAsync();
    }

    public int Count(string method, string pathPrefix) =>
        seen.Count(request => request.Method == method && request.Path.StartsWith(pathPrefix, StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        if (sweeper is not null) await sweeper.DisposeAsync();
        await server.DisposeAsync();
        sweeping.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!["/v1/".Length..];
        using var reader = new StreamReader(context.Request.Body);
        var text = await reader.ReadToEndAsync();
        var body = text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject();
        var token = context.Request.Headers["X-Vault-Token"].FirstOrDefault();
        var request = new SeenRequest(
            context.Request.Method, path, token, context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString()), body);
        seen.Enqueue(request);

        if (Slow > TimeSpan.Zero) await Task.Delay(Slow, time, context.RequestAborted);
        await SweepAsync();
        var fault = TakeFault(path);
        switch (fault)
        {
            case SimulatedFault.Die:
                context.Abort();
                return;
            case SimulatedFault.Answer answer:
                if (answer.RetryAfter is not null) context.Response.Headers.RetryAfter = answer.RetryAfter;
                await WriteAsync(context, answer.Status, answer.RawBody ?? Errors(answer.Error).ToJsonString());
                return;
        }

        var (status, reply) = await AnswerAsync(request, path, token, body);
        if (status == 200 && context.Request.Headers["X-Vault-Wrap-TTL"].FirstOrDefault() is { } wrap && GoDuration.TryParse(wrap, out var ttl)) reply = Wrap(path, ttl, reply);
        if (fault is SimulatedFault.DoAndHang) await Task.Delay(Timeout.InfiniteTimeSpan, time, context.RequestAborted);
        if (fault is SimulatedFault.DoAndDie) context.Abort();
        else await WriteAsync(context, status, reply?.ToJsonString());
    }

    private async Task<(int Status, JsonObject? Body)> AnswerAsync(SeenRequest request, string path, string? value, JsonObject body)
    {
        if (path == "sys/health") return (Sealed ? 503 : 200, Health());
        if (Sealed) return (503, Errors("Vault is sealed"));
        if (path.StartsWith("auth/", StringComparison.Ordinal) && path.EndsWith("/login", StringComparison.Ordinal)) return LogIn(path["auth/".Length..^"/login".Length], body);

        if (path is "sys/wrapping/lookup" or "sys/wrapping/unwrap" or "sys/wrapping/rewrap") return OfWrapped(path, value, body);
        Token? token;
        lock (gate)
        {
            token = value is null ? null : tokens.GetValueOrDefault(value);
            if (token is { UsesLeft: > 0 } && --token.UsesLeft == 0) tokens.Remove(token.Value);
        }

        if (token is null) return (403, Errors("permission denied"));
        var answer = await AnswerAsync(request, path, token, body);
        if (token.Settings.NumUses == 0 || token.UsesLeft > 0) return answer;

        // The last request that it works for is answered, but what it made lives no longer than the token.
        await SweepAsync();
        return path == "auth/token/lookup-self" ? (403, Errors("bad token"))
            : answer.Body?["lease_id"] is { } lease && (string?)lease != "" ? (400, Errors("Secret cannot be returned; token had one use left, so leased credentials were immediately revoked."))
            : answer;
    }

    private async Task<(int Status, JsonObject? Body)> AnswerAsync(SeenRequest request, string path, Token token, JsonObject body)
    {
        var method = request.Method;
        if (token.Settings.Forbidden.Any(prefix => path.StartsWith(prefix, StringComparison.Ordinal)))
            return (403, Errors("1 error occurred:\n\t* permission denied\n\n"));

        if (Others(request) is { } other) return other;
        const string list = "sys/leases/lookup/";
        return (method, path) switch
        {
            ("GET", "auth/token/lookup-self") => (200, Envelope(data: Describe(token))),
            ("POST" or "PUT", "auth/token/renew-self") => RenewSelf(token, body),
            ("POST" or "PUT", "auth/token/revoke-self") => await RevokeSelfAsync(token),
            ("PUT" or "POST", "sys/leases/renew") => await RenewAsync(body),
            ("PUT" or "POST", "sys/leases/revoke") => await RevokeAsync(body),
            ("PUT" or "POST", "sys/leases/lookup") => LookUp(body),
            ("LIST", _) when path.StartsWith(list, StringComparison.Ordinal) => List(path[list.Length..]),
            ("GET", _) when path.Contains("/creds/", StringComparison.Ordinal) => await IssueAsync(path, token, request.Headers.ContainsKey("X-Vault-Namespace")),
            _ when path.Contains("/creds/", StringComparison.Ordinal) || path.StartsWith("sys/leases/", StringComparison.Ordinal) || path.StartsWith("auth/token/", StringComparison.Ordinal) =>
                (405, Errors("1 error occurred:\n\t* unsupported operation\n\n")),
            _ => NoHandler(path),
        };
    }

    private static (int Status, JsonObject Body) NoHandler(string path) => (404, Errors($"no handler for route \"{path}\". route entry not found."));

    private (int Status, JsonObject Body) LogIn(string mount, JsonObject body)
    {
        switch (Mounts.GetValueOrDefault(mount))
        {
            case "approle":
                if ((string?)body["role_id"] is null) return (400, Errors("missing role_id"));
                if ((string?)body["secret_id"] is null) return (400, Errors("missing secret_id"));
                if ((string?)body["role_id"] != RoleId || (string?)body["secret_id"] != SecretId) return (400, Errors("invalid role or secret ID"));
                break;
            case "kubernetes":
                if ((string?)body["role"] is null) return (400, Errors("missing role"));
                if ((string?)body["jwt"] is null) return (400, Errors("missing jwt"));
                if (UnknownRoles.Contains((string?)body["role"])) return (400, Errors($"invalid role name \"{body["role"]}\""));
                if (!Believes((string)body["jwt"]!)) return (403, Errors("permission denied"));
                if (RolesOfOthers.Contains((string?)body["role"])) return (403, Errors("service account name not authorized"));
                break;
            default:
                return (403, Errors("permission denied"));
        }

        var meta = Mounts[mount] == "approle"
            ? new JsonObject { ["role_name"] = "pod" }
            : new JsonObject
            {
                ["role"] = (string?)body["role"],
                ["service_account_name"] = "broker",
                ["service_account_namespace"] = "broker",
                ["service_account_secret_name"] = "",
                ["service_account_uid"] = Guid.NewGuid().ToString(),
            };
        lock (gate) return (200, Envelope(auth: Auth(NewToken(Tokens, $"auth/{mount}/login", mount, meta))));
    }

    private Token NewToken(SimulatedTokens settings, string path, string displayName, JsonObject? meta = null)
    {
        var now = time.GetUtcNow();
        var token = new Token(settings.Batch ? $"hvb.{Random(140)}" : $"hvs.{Random(24)}", settings, now) { Path = path, DisplayName = displayName, Meta = meta };
        token.Expires = now + Capped(token, settings.Period ?? settings.Ttl, now, []);
        tokens.Add(token.Value, token);
        return token;
    }

    // Vault's framework.CalculateTTL: a period is cut to the max TTL at each renewal, and only an explicit max TTL ends it; every other
    // time ends with the max TTL.
    private static TimeSpan Capped(Token token, TimeSpan wanted, DateTimeOffset now, List<string> warnings)
    {
        var settings = token.Settings;
        var most = settings.ExplicitMaxTtl < settings.MaxTtl ? settings.ExplicitMaxTtl.Value : settings.MaxTtl;
        if (settings.Period is not null)
        {
            if (wanted > most)
            {
                warnings.Add(Capping("period", wanted, most));
                wanted = most;
            }

            if (settings.ExplicitMaxTtl is not { } end) return wanted;
            most = end;
        }

        var left = token.Created + most - now;
        if (left >= wanted) return wanted;
        warnings.Add(Capping("TTL", wanted, most));
        return left;
    }

    private static string Capping(string what, TimeSpan wanted, TimeSpan most) =>
        $"{what} of \"{GoDuration.Format(wanted)}\" exceeded the effective max_ttl of \"{GoDuration.Format(most)}\"; {what} value is capped accordingly";

    private (int Status, JsonObject Body) RenewSelf(Token token, JsonObject body)
    {
        if (token.Settings.Batch) return (400, Errors("batch tokens cannot be renewed"));
        if (!token.Settings.Renewable) return (400, Errors("lease is not renewable"));
        lock (gate)
        {
            var now = time.GetUtcNow();
            var asked = Increment(body) is { Ticks: > 0 } increment ? increment : token.Settings.Ttl;
            var warnings = new List<string>();
            var given = Capped(token, token.Settings.Period ?? asked, now, warnings);
            if (given <= TimeSpan.Zero) return (500, Errors("past the max TTL, cannot renew"));
            token.Expires = now + given;
            token.Renewed = now;
            return (200, Envelope(auth: Auth(token), warnings: warnings));
        }
    }

    private async Task<(int Status, JsonObject? Body)> RevokeSelfAsync(Token token)
    {
        if (token.Settings.Batch) return (400, Errors("batch tokens cannot be revoked"));
        await RevokeTokenAsync(token.Value);
        return (204, null);
    }

    // A number, or a text like "1h".
    private static TimeSpan Increment(JsonObject body) =>
        body["increment"] is { } increment && GoDuration.TryParse(increment.ToString(), out var asked) ? asked : TimeSpan.Zero;

    private async Task<(int Status, JsonObject Body)> IssueAsync(string path, Token token, bool inNamespace)
    {
        SimulatedRole? role;
        lock (gate)
        {
            role = roles.GetValueOrDefault(path);
            if (role is null && !roles.Keys.Any(known => known.StartsWith(path[..path.IndexOf('/')] + "/", StringComparison.Ordinal)) && !path.StartsWith("database/", StringComparison.Ordinal)) return NoHandler(path);
        }

        if (role is null) return (400, Errors($"unknown role: {path[(path.LastIndexOf('/') + 1)..]}"));

        var now = time.GetUtcNow();
        var ttl = token.Settings.Batch && token.Expires - now < role.Ttl ? token.Expires - now : role.Ttl;
        // As Vault's own template for PostgreSQL names them.
        var cut = path[(path.LastIndexOf('/') + 1)..];
        var (username, password) = ($"v-token-{cut[..Math.Min(8, cut.Length)]}-{Random(20)}-{now.ToUnixTimeSeconds()}", Random(20));
        try
        {
            await role.Create(username, password, now + ttl + TimeSpan.FromSeconds(5));
        }
        catch (Exception driver)
        {
            return (500, Errors($"1 error occurred:\n\t* {driver.Message}\n\n"));
        }

        var lease = new Lease($"{path}/{Random(24)}{(inNamespace ? ".nsId1" : "")}", role, username, token.Value, token.Settings.Batch, now) { Expires = now + ttl };
        lock (gate) leases.Add(lease.Id, lease);
        return (200, Envelope(lease.Id, Seconds(ttl), new JsonObject { ["username"] = username, ["password"] = password }));
    }

    private async Task<(int Status, JsonObject Body)> RenewAsync(JsonObject body)
    {
        if (Find(body, out var error) is not { } lease) return (400, Errors(error == "" ? "lease not found" : error));
        var now = time.GetUtcNow();
        var wanted = Increment(body) is { Ticks: > 0 } increment ? increment : lease.Role.Ttl;
        var most = lease.Issued + lease.Role.MaxTtl - now;
        if (most <= TimeSpan.Zero) return (400, Errors("past the max TTL, cannot renew"));

        var given = wanted < most ? wanted : most;
        List<string> warnings = given < wanted ? [Capping("TTL", wanted, lease.Role.MaxTtl)] : [];
        if (lease.OfBatch)
        {
            // Cut to what is left of the batch token, without a warning.
            Token? owner;
            lock (gate) owner = tokens.GetValueOrDefault(lease.Token);
            if (owner is null) return (400, Errors("cannot renew lease, no valid associated token"));
            if (owner.Expires - now < given) given = owner.Expires - now;
        }

        try
        {
            await lease.Role.Extend(lease.Username, now + given + TimeSpan.FromSeconds(5));
        }
        catch (Exception driver)
        {
            return (400, Errors($"failed to renew entry: {driver.Message}"));
        }

        lock (gate) (lease.Expires, lease.Renewed) = (now + given, now);
        return (200, Envelope(lease.Id, Seconds(given), data: null, warnings: warnings));
    }

    private async Task<(int Status, JsonObject? Body)> RevokeAsync(JsonObject body)
    {
        if (Find(body, out var error) is not { } lease) return error == "" ? (204, null) : (400, Errors(error));
        try
        {
            await lease.Role.Drop(lease.Username);
        }
        catch (Exception driver)
        {
            return (400, Errors($"failed to revoke entry: {driver.Message}"));
        }

        lock (gate) leases.Remove(lease.Id);
        return (body["sync"] is { } sync && (bool)sync ? 204 : 202, null);
    }

    private (int Status, JsonObject Body) LookUp(JsonObject body)
    {
        if (Find(body, out var error) is not { } lease) return (400, Errors(error == "" ? "invalid lease" : error));
        return (200, Envelope(data: new JsonObject
        {
            ["id"] = lease.Id,
            ["issue_time"] = lease.Issued.UtcDateTime,
            ["expire_time"] = lease.Expires.UtcDateTime,
            ["last_renewal"] = lease.Renewed?.UtcDateTime,
            ["renewable"] = !lease.OfBatch,
            ["ttl"] = Floor(lease.Expires - time.GetUtcNow()),
        }));
    }

    private (int Status, JsonObject Body) List(string prefix)
    {
        lock (gate)
        {
            var keys = leases.Keys.Where(id => id.StartsWith(prefix + "/", StringComparison.Ordinal))
                .Select(id => (JsonNode)id[(prefix.Length + 1)..]).ToArray();
            return keys.Length == 0
                ? (404, new JsonObject { ["errors"] = new JsonArray() })
                : (200, Envelope(data: new JsonObject { ["keys"] = new JsonArray(keys) }));
        }
    }

    private Lease? Find(JsonObject body, out string error)
    {
        var id = (string?)body["lease_id"];
        error = string.IsNullOrEmpty(id) ? "lease_id must be specified" : "";
        lock (gate) return id is null ? null : leases.GetValueOrDefault(id);
    }

    /// <summary>Tokens that ended die, and leases that ended or whose token is dead; their users are dropped.</summary>
    private async Task SweepAsync()
    {
        await sweeping.WaitAsync();
        try
        {
            List<Lease> dead;
            lock (gate)
            {
                var now = time.GetUtcNow();
                foreach (var token in tokens.Values.Where(token => token.Expires <= now).ToList()) tokens.Remove(token.Value);
                dead = [.. leases.Values.Where(lease => lease.Expires <= now || !tokens.ContainsKey(lease.Token))];
                foreach (var lease in dead) leases.Remove(lease.Id);
            }

            foreach (var lease in dead)
            {
                try
                {
                    await lease.Role.Drop(lease.Username);
                }
                catch (Exception)
                {
                    lock (gate) leases.Add(lease.Id, lease); // the database is down: Vault tries again
                }
            }
        }
        finally
        {
            sweeping.Release();
        }
    }

    private SimulatedFault? TakeFault(string path)
    {
        lock (gate)
        {
            var index = faults.FindIndex(fault => path.StartsWith(fault.Prefix, StringComparison.Ordinal));
            if (index < 0) return null;
            var fault = faults[index].Fault;
            faults.RemoveAt(index);
            return fault;
        }
    }

    // Only a token of auth/token/create says its period; one of a login is periodic in silence (recordings, 06 and 07).
    private JsonObject Describe(Token token)
    {
        var data = new JsonObject
        {
            ["accessor"] = token.Accessor,
            ["creation_time"] = token.Created.ToUnixTimeSeconds(),
            ["creation_ttl"] = Seconds(token.Settings.Period ?? token.Settings.Ttl),
            ["display_name"] = token.DisplayName,
            ["entity_id"] = token.EntityId,
            ["expire_time"] = token.Expires.UtcDateTime,
            ["explicit_max_ttl"] = Seconds(token.Settings.ExplicitMaxTtl ?? TimeSpan.Zero),
            ["id"] = token.Value,
            ["issue_time"] = token.Created.UtcDateTime,
            ["meta"] = token.Meta?.DeepClone(),
            ["num_uses"] = token.UsesLeft,
            ["orphan"] = true,
            ["path"] = token.Path,
            ["policies"] = new JsonArray("db", "default"),
            ["renewable"] = token.Settings.Renewable && !token.Settings.Batch,
            ["ttl"] = Floor(token.Expires - time.GetUtcNow()),
            ["type"] = token.Settings.Batch ? "batch" : "service",
        };
        if (token.Settings.Period is { } period && token.Path == "auth/token/create") data["period"] = Seconds(period);
        if (token.Renewed is { } renewed) (data["last_renewal"], data["last_renewal_time"]) = (renewed.UtcDateTime, renewed.ToUnixTimeSeconds());
        return data;
    }

    private JsonObject Auth(Token token) => new()
    {
        ["client_token"] = token.Value,
        ["accessor"] = token.Accessor,
        ["policies"] = new JsonArray("db", "default"),
        ["token_policies"] = new JsonArray("db", "default"),
        ["metadata"] = token.Meta?.DeepClone(),
        ["lease_duration"] = Seconds(token.Expires - time.GetUtcNow()),
        ["renewable"] = token.Settings.Renewable && !token.Settings.Batch,
        ["entity_id"] = token.EntityId,
        ["token_type"] = token.Settings.Batch ? "batch" : "service",
        ["orphan"] = true,
        ["mfa_requirement"] = null,
        ["num_uses"] = token.Settings.NumUses,
    };

    private JsonObject Health()
    {
        var health = new JsonObject
        {
            ["initialized"] = true,
            ["sealed"] = Sealed,
            ["standby"] = Sealed,
            ["performance_standby"] = false,
            ["replication_performance_mode"] = Sealed ? "unknown" : "disabled",
            ["replication_dr_mode"] = Sealed ? "unknown" : "disabled",
            ["server_time_utc"] = time.GetUtcNow().ToUnixTimeSeconds(),
            ["version"] = "simulated",
        };
        if (!Sealed) (health["cluster_name"], health["cluster_id"]) = ("vault-cluster-simulated", "6e6f6e65-0000-4000-8000-000000000000");
        return health;
    }

    private static JsonObject Envelope(string lease = "", long duration = 0, JsonObject? data = null, JsonObject? auth = null, List<string>? warnings = null) => new()
    {
        ["request_id"] = Guid.NewGuid().ToString(),
        ["lease_id"] = lease,
        ["renewable"] = lease.Length > 0,
        ["lease_duration"] = duration,
        ["data"] = data,
        ["wrap_info"] = null,
        ["warnings"] = warnings is { Count: > 0 } ? new JsonArray([.. warnings.Select(warning => (JsonNode)warning)]) : null,
        ["auth"] = auth,
    };

    private JsonObject Wrap(string path, TimeSpan ttl, JsonObject? answer)
    {
        var token = $"hvs.{Random(24)}";
        lock (gate) wrapped[token] = new(path, ttl, answer, time.GetUtcNow());
        var envelope = Envelope();
        envelope["request_id"] = "";
        envelope["wrap_info"] = new JsonObject
        {
            ["token"] = token,
            ["accessor"] = Random(24),
            ["ttl"] = Seconds(ttl),
            ["creation_time"] = time.GetUtcNow().UtcDateTime,
            ["creation_path"] = path,
        };
        return envelope;
    }

    // The wrapping token is named in the body, or asks itself; by its own policy it may not rewrap.
    private (int Status, JsonObject? Body) OfWrapped(string path, string? value, JsonObject body)
    {
        if (((string?)body["token"] ?? value) is not { } token) return (400, Errors("missing \"token\" value in input"));
        lock (gate)
        {
            if (path == "sys/wrapping/rewrap" && (value is null || !tokens.ContainsKey(value))) return (403, Errors("permission denied"));
            if (!wrapped.TryGetValue(token, out var answer) || answer.At + answer.Ttl <= time.GetUtcNow()) return (400, Errors("wrapping token is not valid or does not exist"));
            if (path == "sys/wrapping/lookup")
                return (200, Envelope(data: new() { ["creation_path"] = answer.Path, ["creation_time"] = answer.At.UtcDateTime, ["creation_ttl"] = Seconds(answer.Ttl) }));
            wrapped.Remove(token);
            return (200, path == "sys/wrapping/unwrap" ? answer.Answer : Wrap(answer.Path, answer.Ttl, answer.Answer));
        }
    }

    private static JsonObject Errors(string? error) =>
        new() { ["errors"] = error is null ? new JsonArray() : new JsonArray(error) };

    private static long Seconds(TimeSpan span) => (long)Math.Round(span.TotalSeconds);

    // What is left is said in whole seconds that surely are.
    private static long Floor(TimeSpan span) => (long)Math.Floor(span.TotalSeconds);

    private static string Random(int length) =>
        RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);

    private static async Task WriteAsync(HttpContext context, int status, string? body)
    {
        context.Response.StatusCode = status;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentType = "application/json";
        if (body is not null) await context.Response.WriteAsync(body);
    }

    private sealed record Wrapped(string Path, TimeSpan Ttl, JsonObject? Answer, DateTimeOffset At);

    private sealed record Token(string Value, SimulatedTokens Settings, DateTimeOffset Created)
    {
        public required string Path { get; init; }

        public required string DisplayName { get; init; }

        public required JsonObject? Meta { get; init; }

        public string Accessor { get; } = Settings.Batch ? "" : Random(24);

        public int UsesLeft { get; set; } = Settings.NumUses;

        public string EntityId { get; } = Guid.NewGuid().ToString();

        public DateTimeOffset Expires { get; set; }

        public DateTimeOffset? Renewed { get; set; }
    }

    private sealed record Lease(string Id, SimulatedRole Role, string Username, string Token, bool OfBatch, DateTimeOffset Issued)
    {
        public DateTimeOffset Expires { get; set; }

        public DateTimeOffset? Renewed { get; set; }
    }
}
