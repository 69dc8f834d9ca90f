using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Conformance;

/// <summary>One thing that clients of Vault rely on.</summary>
/// <param name="Name">What is expected.</param>
/// <param name="Who">Who relies on it, or where it is seen.</param>
/// <param name="Find">Null: so it is; else what it is instead.</param>
internal sealed record ConformanceCheck(string Name, string Who, Func<ConformanceRun, Task<string?>> Find);

/// <summary>All of them, in the order in which they are run: each may use what those before it left.</summary>
internal static class ConformanceChecks
{
    private static readonly string[] Envelope = ["request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"];

    public static IReadOnlyList<ConformanceCheck> All { get; } =
    [
        new("sys/health answers without a token, 200 and sealed: false", "load balancers, hvac", async run => Sum(Status(await run.SendAsync("GET", "sys/health", null, null, null), 200, out var answer), Is(answer.Body["sealed"], "false", "sealed"), Json(answer))),
        new("HEAD sys/health has the same status and no body", "load balancers", async run => Sum(Status(await run.SendAsync("HEAD", "sys/health", null, null, null), 200, out var answer), answer.Text.Length > 0 ? "it has a body" : null)),
        new("sys/seal-status answers without a token", "vault status", async run => Status(await run.SendAsync("GET", "sys/seal-status", null, null, null), 200, out _)),
        new("a login answers a token that can be renewed, in the whole envelope", "every client", LogInAsync),
        new("a login that is wrong is 400 or 403, in errors", "VSO, vault-action", async run => run.Settings.LoginPath is not { } path ? null
            : Sum(Either(await run.SendAsync("POST", path, """{"role":"nosuch","jwt":"not.a.token","role_id":"nosuch","secret_id":"nosuch"}""", "application/json", null), [400, 403], out var answer), Errors(answer))),
        new("a request without a token is 403 permission denied", "recordings, 14", async run => Refused(await run.SendAsync("GET", run.Settings.Path, null, null, null), 403, "permission denied")),
        new("an unknown token is 403 permission denied", "recordings, 15", async run => Sum(
            Status(await run.SendAsync("GET", run.Settings.Path, null, null, "hvs.of-nobody"), 403, out var answer), Errors(answer), answer.Text.Contains("permission denied", StringComparison.Ordinal) ? null : "in other words")),
        new("Authorization: Bearer is as good as X-Vault-Token", "OpenBao handler.go", async run => Status(await run.SendAsync("GET", "auth/token/lookup-self", null, null, null, ("Authorization", $"Bearer {run.Token}")), 200, out _)),
        new("lookup-self has type, ttl, expire_time, renewable and id", "ESO, Agent", LookUpSelfAsync),
        new("renew-self answers the same token and its duration", "LifetimeWatcher", async run => Sum(Status(await run.SendAsync("PUT", "auth/token/renew-self", JsonNode.Parse("{}")), 200, out var answer), Is(answer.Body["auth"]?["client_token"], run.Token!, "client_token"), (int?)answer.Body["auth"]?["lease_duration"] > 0 ? null : "no lease_duration")),
        new("a read has a lease id below its path, a duration, a user and a password", "every client", ReadAsync),
        new("a read has exactly Content-Type application/json, and a Date", "Agent's cache", async run => Sum(Status(await run.SendAsync("GET", run.Settings.Path), 200, out var answer), Json(answer), answer.Headers.Date is null ? "no Date" : null)),
        new("Cache-Control is no-store", "OpenBao handler.go", async run => (await run.SendAsync("GET", "sys/health")).Headers.CacheControl?.NoStore == true ? null : "it is not"),
        new("a renewal with increment 0 answers the same id and no less than before", "LifetimeWatcher, VSO", run => RenewAsync(run, "0", null)),
        new("a renewal with increment null is as good", "hvac", run => RenewAsync(run, "null", null)),
        new("a renewal with the first duration gives it again", "VSO", run => RenewAsync(run, null, null)),
        new("an increment may be a text", "vault lease renew", run => RenewAsync(run, "\"30s\"", 30)),
        new("an increment beyond the last end is cut, with a warning", "recordings, 25", async run => Sum(Status(await run.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}","increment":3153600000}""")), 200, out var answer), ((string?)answer.Body["warnings"]?.AsArray().FirstOrDefault())?.Contains("exceeded the effective max_ttl", StringComparison.Ordinal) == true ? null : "no warning")),
        new("POST is PUT", "OpenBao logical.go", async run => Status(await run.SendAsync("POST", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}"}""")), 200, out _)),
        new("a body is read whatever its content type says", "OpenBao logical.go", async run => Status(await run.SendAsync("PUT", "sys/leases/renew", $$"""{"lease_id":"{{run.Lease}}"}""", "application/x-www-form-urlencoded", run.Token), 200, out _)),
        new("a lease id may stand in the address", "old hvac", async run => Status(await run.SendAsync("PUT", "sys/leases/renew/" + run.Lease), 200, out _)),
        new("a lease can be looked up", "recordings, 19", async run => Sum(Status(await run.SendAsync("PUT", "sys/leases/lookup", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}"}""")), 200, out var answer), Is(answer.Body["data"]?["id"], run.Lease, "id"), answer.Body["data"]?["ttl"] is null ? "no ttl" : null)),
        new("an unknown lease is 400 lease not found, looked up 400 invalid lease", "VSO, Spring", async run => Sum(
            Refused(await run.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Settings.Path}}/nosuch"}""")), 400, "lease not found"),
            Refused(await run.SendAsync("PUT", "sys/leases/lookup", JsonNode.Parse($$"""{"lease_id":"{{run.Settings.Path}}/nosuch"}""")), 400, "invalid lease"))),
        new("a renewal of nothing is 400 lease_id must be specified", "recordings, 27", async run => Refused(await run.SendAsync("PUT", "sys/leases/renew", "", null, run.Token), 400, "lease_id must be specified")),
        new("a body that is no JSON is 400", "OpenBao logical.go", async run => Sum(Status(await run.SendAsync("PUT", "sys/leases/renew", "{", "application/json", run.Token), 400, out var answer), Errors(answer))),
        new("a negative increment is 400", "OpenBao sdk/framework/field_data.go", async run => Refused(
            await run.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}","increment":-5}""")), 400, "Field validation failed: error converting input for field \"increment\": cannot provide negative value '-5'")),
        new("what nobody knows is ignored with a warning", "OpenBao sdk/framework/backend.go", async run => Sum(
            Status(await run.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}","zone":"b"}""")), 200, out var answer),
            Is(answer.Body["warnings"]?[0], "Endpoint ignored these unrecognized parameters: [zone]", "warning"))),
        new("nothing is written to a path that ends with a slash", "OpenBao request_handling.go", async run => Refused(await run.SendAsync("PUT", "sys/leases/renew/", JsonNode.Parse("{}")), 400, "cannot write to a path ending in '/'")),
        new("a role's name with a slash behind it is no path", "OpenBao sdk/framework/path.go", async run => Sum(Either(await run.SendAsync("GET", run.Settings.Path + "/"), [403, 404], out var answer), Errors(answer))),
        new("nothing is there without the prefix's slash", "OpenBao http/handler.go", async run => Sum(Status(await run.SendAsync("GET", "../v1"), 404, out var answer), Errors(answer))),
        new("another verb is 405 unsupported operation", "recordings, 16", async run => Refused(await run.SendAsync("DELETE", run.Settings.Path), 405, "1 error occurred:\n\t* unsupported operation\n\n")),
        new("an unknown role is 400", "recordings, 12", async run => Refused(await run.SendAsync("GET", run.Settings.Path[..(run.Settings.Path.LastIndexOf('/') + 1)] + "nosuch"), 400, "unknown role: nosuch")),
        new("a wrapped answer is had once", "Agent with wrap_ttl", WrapAsync),
        new("what a client sends is wrapped", "Agent's sink with wrap_ttl", WrapSentAsync),
        new("a revoked lease answers 204, again too, and is no more", "node-vault, Agent's cache", async run => Sum(
            Status(await run.SendAsync("PUT", "sys/leases/revoke", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}"}""")), 204, out _),
            Status(await run.SendAsync("PUT", "sys/leases/revoke", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}"}""")), 204, out _),
            Refused(await run.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse($$"""{"lease_id":"{{run.Lease}}"}""")), 400, "lease not found"))),
        new("a revoked token answers 204 and reads nothing more", "ESO, Spring", async run => run.Settings.LoginPath is null ? null
            : Sum(Status(await run.SendAsync("PUT", "auth/token/revoke-self"), 204, out _), Status(await run.SendAsync("GET", run.Settings.Path), 403, out _))),
    ];

    /// <summary>Runs all; what was found, null where all is well.</summary>
    public static async Task<IReadOnlyList<(ConformanceCheck Check, string? Found)>> RunAsync(ConformanceRun run)
    {
        var found = new List<(ConformanceCheck, string?)>();
        foreach (var check in All)
        {
            try
            {
                found.Add((check, await check.Find(run)));
            }
            catch (Exception broke) when (broke is HttpRequestException or InvalidOperationException or FormatException)
            {
                found.Add((check, $"{broke.GetType().Name}: {broke.Message}"));
            }
        }

        return found;
    }

    private static async Task<string?> LogInAsync(ConformanceRun run)
    {
        if (run.Settings.LoginPath is not { } path) return run.Token is null ? "neither a login nor a token is given" : null;
        var answer = await run.SendAsync("PUT", path, run.Settings.Login.ToJsonString(), "application/json", null);
        run.Token = (string?)answer.Body["auth"]?["client_token"];
        return Sum(Status(answer, 200, out _), Missing(answer.Body, Envelope), (bool?)answer.Body["auth"]?["renewable"] == true ? null : "not renewable", Missing(answer.Body["auth"]?.AsObject(), ["accessor", "policies", "lease_duration", "entity_id", "token_type"]));
    }

    private static async Task<string?> LookUpSelfAsync(ConformanceRun run) => Sum(
        Status(await run.SendAsync("GET", "auth/token/lookup-self"), 200, out var answer),
        Missing(answer.Body["data"]?.AsObject(), ["type", "ttl", "expire_time", "renewable", "id", "accessor", "policies", "creation_time", "creation_ttl"]),
        answer.Body["data"]?["ttl"]?.GetValueKind() == System.Text.Json.JsonValueKind.Number ? null : "ttl is no number");

    private static async Task<string?> ReadAsync(ConformanceRun run)
    {
        var wrong = Status(await run.SendAsync("GET", run.Settings.Path), 200, out var answer);
        (run.Lease, run.Duration) = ((string?)answer.Body["lease_id"] ?? "", (int?)answer.Body["lease_duration"] ?? 0);
        return Sum(wrong, Missing(answer.Body, Envelope), run.Lease.StartsWith(run.Settings.Path + "/", StringComparison.Ordinal) ? null : $"lease id {run.Lease}",
            run.Duration > 0 ? null : "no lease_duration", (bool?)answer.Body["renewable"] == true ? null : "not renewable", Missing(answer.Body["data"]?.AsObject(), ["username", "password"]));
    }

    private static async Task<string?> RenewAsync(ConformanceRun run, string? increment, int? expected)
    {
        var wrong = Status(await run.SendAsync("PUT", "sys/leases/renew", $$"""{"lease_id":"{{run.Lease}}","increment":{{increment ?? $"{run.Duration}"}}}""", "application/json", run.Token), 200, out var answer);
        var given = (int?)answer.Body["lease_duration"];
        return Sum(wrong, Is(answer.Body["lease_id"], run.Lease, "lease_id"), given == (expected ?? run.Duration) || (expected is null && given > run.Duration) ? null : $"lease_duration {given} instead of {expected ?? run.Duration}",
            answer.Body.ContainsKey("data") && answer.Body["data"] is null ? null : "data is not null");
    }

    private static async Task<string?> WrapAsync(ConformanceRun run)
    {
        var wrong = Status(await run.SendAsync("GET", run.Settings.Path, null, ("X-Vault-Wrap-TTL", "60s")), 200, out var wrapped);
        if ((string?)wrapped.Body["wrap_info"]?["token"] is not { } token) return Sum(wrong, "no wrap_info.token");
        var unwrapped = Status(await run.SendAsync("POST", "sys/wrapping/unwrap", "{}", "application/json", token), 200, out var answer);
        return Sum(wrong, Is(wrapped.Body["wrap_info"]!["ttl"], "60", "ttl"), unwrapped, Missing(answer.Body["data"]?.AsObject(), ["username", "password"]), Either(await run.SendAsync("POST", "sys/wrapping/unwrap", "{}", "application/json", token), [400, 403], out _));
    }

    private static async Task<string?> WrapSentAsync(ConformanceRun run)
    {
        var wrong = Status(await run.SendAsync("PUT", "sys/wrapping/wrap", JsonNode.Parse("""{"token":"x"}"""), ("X-Vault-Wrap-TTL", "5m0s")), 200, out var wrapped);
        if ((string?)wrapped.Body["wrap_info"]?["token"] is not { } token) return Sum(wrong, "no wrap_info.token");
        var unwrapped = Status(await run.SendAsync("PUT", "sys/wrapping/unwrap", "{}", "application/json", token), 200, out var answer);
        return Sum(wrong, Is(wrapped.Body["wrap_info"]!["ttl"], "300", "ttl"), unwrapped, Is(answer.Body["data"]?["token"], "x", "data.token"));
    }

    private static string? Status(ConformanceAnswer given, int expected, out ConformanceAnswer answer) => Either(given, [expected], out answer);

    private static string? Either(ConformanceAnswer given, int[] expected, out ConformanceAnswer answer)
    {
        answer = given;
        return expected.Contains(given.Status) ? null : $"status {given.Status} instead of {string.Join(" or ", expected)}{(given.Error is { } error ? $" ({error.Trim()})" : "")}";
    }

    private static string? Refused(ConformanceAnswer given, int status, string error) =>
        Sum(Status(given, status, out _), given.Error == error ? null : $"error is {given.Error ?? given.Text} instead of {error}");

    private static string? Errors(ConformanceAnswer answer) => answer.Body["errors"] is JsonArray ? null : "no errors";

    private static string? Json(ConformanceAnswer answer) => answer.ContentType == "application/json" ? null : $"Content-Type is {answer.ContentType}";

    private static string? Is(JsonNode? node, string expected, string name) => node?.ToString() == expected ? null : $"{name} is {node?.ToJsonString() ?? "missing"}";

    private static string? Missing(JsonObject? there, string[] names) =>
        there is null ? "nothing there" : names.Where(name => !there.ContainsKey(name)).ToArray() is { Length: > 0 } missing ? $"without {string.Join(", ", missing)}" : null;

    private static string? Sum(params string?[] found) => found.Where(one => one is not null).ToArray() is { Length: > 0 } wrong ? string.Join("; ", wrong) : null;
}
