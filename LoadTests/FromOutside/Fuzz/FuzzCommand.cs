using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Fuzz;

/// <summary><c>loadtests fuzz</c>: a broker process, and a million made-up requests.</summary>
internal static class FuzzCommand
{
    // What grows with the number of requests grows on; what a process needs to run it has by then.
    private const int MostGrowthMegabytes = 64;

    public static Command Create()
    {
        var requests = CommandOptions.Number("--requests", "How many requests", 1_000_000, 100, 100_000_000);
        var seed = CommandOptions.Number("--seed", "The seed; the same requests every time", 1, 0, int.MaxValue);
        var atOnce = CommandOptions.Number("--at-once", "Requests at once", 32, 1, 1000);
        var each = new Option<bool>("--each") { Description = "Send this many requests to each address separately, one address after the other, and print the broker's memory after each." };
        var command = new Command("fuzz", "Fuzz every public address of a broker: no 500, no hang, no growth, nobody else's data. Exit code 1 otherwise.") { requests, seed, atOnce, each };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(requests), parsed.GetValue(seed), parsed.GetValue(atOnce), parsed.GetValue(each), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(int requests, int seed, int atOnce, bool each, CancellationToken cancellation)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 200 }, cancellation);
        await using var identity = await LocalIdentity.StartAsync(cancellation: cancellation);
        await using var directory = await PrivateDirectory.CreateAsync("fuzz", owner: null);
        await using var broker = await LocalBroker.StartAsync(
            new() { Configuration = Configuration(postgres, identity, Path.Combine(directory.Path, "audit.jsonl")) }, cancellation);
        using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = atOnce + 8, AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = broker.Address,
            Timeout = Timeout.InfiniteTimeSpan,
        };

        var life = TimeSpan.FromHours(10);
        var viewer = new FuzzCaller("viewer", identity.ViewerToken(life));
        FuzzCaller[] callers =
        [
            new("nobody", null),
            new("alice", identity.PodToken(1, new() { Namespace = "orders", ServiceAccount = "alice", Lifetime = life }), "alice-role"),
            new("bob", identity.PodToken(2, new() { Namespace = "orders", ServiceAccount = "bob", Lifetime = life }), "bob-role"),
            viewer,
            new("operator", identity.OperatorToken(life)),
        ];
        if (each) return await SoakAsync(client, callers, viewer, requests, seed, atOnce, broker, cancellation);
        var warm = await new FuzzRun(client, callers, seed + 1).RunAsync(requests / 10, atOnce, viewer, cancellation);
        var before = Resident(broker.ProcessId);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var result = await new FuzzRun(client, callers, seed).RunAsync(requests, atOnce, viewer, cancellation);
        var growth = Resident(broker.ProcessId) - before;

        foreach (var fault in warm.Faults.Concat(result.Faults)) AnsiConsole.MarkupLineInterpolated($"[red]{fault}[/]");
        var table = new Table().AddColumns("status", "answers");
        foreach (var (status, count) in result.Statuses) table.AddRow(status == 0 ? "closed" : $"{status}", count.ToString("N0", CultureInfo.InvariantCulture));
        AnsiConsole.Write(table);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{warm.Requests + result.Requests:N0} requests (seeds {seed + 1} and {seed}), {result.Requests / watch.Elapsed.TotalSeconds:N0} a second; {result.Grants:N0} grants; slowest {result.Slowest.TotalMilliseconds:N0} ms; memory {before} MB after the first tenth, {(growth >= 0 ? "+" : "")}{growth} MB since"));
        var failed = broker.HasExited || growth > MostGrowthMegabytes || warm.Faults.Count + result.Faults.Count > 0 || result.Grants == 0;
        Console.WriteLine(failed ? "FAILED" : "no 500, no hang, no growth, nobody else's data");
        return failed ? 1 : 0;
    }

    // Each address by itself: what one of them leaves behind is not hidden among all others.
    private static async Task<int> SoakAsync(
        HttpClient client, FuzzCaller[] callers, FuzzCaller viewer, int requests, int seed, int atOnce, LocalBroker broker, CancellationToken cancellation)
    {
        var endpoints = await FuzzRun.EndpointsAsync(client, viewer, cancellation);
        // What a process needs to run it has by then, and grants whose holders can be named.
        await new FuzzRun(client, callers, seed + 1).RunAsync(Math.Max(2_000, requests / 10), atOnce, viewer, cancellation);
        var table = new Table().AddColumns("address", "answers", "MB before", "MB since", "faults");
        var failed = false;
        foreach (var endpoint in endpoints)
        {
            await new FuzzRun(client, callers, seed + 2).RunAsync(requests / 10, atOnce, viewer, cancellation, endpoint);
            var before = Resident(broker.ProcessId);
            var result = await new FuzzRun(client, callers, seed).RunAsync(requests, atOnce, viewer, cancellation, endpoint);
            var growth = Resident(broker.ProcessId) - before;
            failed |= broker.HasExited || growth > MostGrowthMegabytes || result.Faults.Count > 0;
            foreach (var fault in result.Faults) AnsiConsole.MarkupLineInterpolated($"[red]{fault}[/]");
            table.AddRow(
                Markup.Escape($"{endpoint.Method} {endpoint.Path}"), result.Requests.ToString("N0", CultureInfo.InvariantCulture), $"{before}", growth.ToString("+0;-0;0", CultureInfo.InvariantCulture), $"{result.Faults.Count}");
        }

        AnsiConsole.Write(table);
        Console.WriteLine(failed ? "FAILED" : "no 500, no hang, no growth, nobody else's data, at any address");
        return failed ? 1 : 0;
    }

    private static JsonObject Configuration(LocalPostgres postgres, LocalIdentity identity, string audit)
    {
        JsonObject Role(string account) => new()
        {
            ["Database"] = "orders",
            ["Issuer"] = "here",
            ["HolderTtl"] = "00:00:30",
            ["CreationStatements"] = new JsonArray([.. new StageSettings().CreationStatements.Select(statement => JsonValue.Create(statement))]),
            ["Allow"] = new JsonArray(new JsonObject { ["Issuer"] = "local", ["Claims"] = new JsonObject { ["namespace"] = "orders", ["serviceaccount"] = account } }),
        };
        JsonArray People(string group) => new(new JsonObject { ["Issuer"] = "local", ["Claims"] = new JsonObject { ["groups"] = group } });
        return new()
        {
            ["Broker"] = new JsonObject
            {
                ["Audit"] = new JsonObject { ["Path"] = audit, ["Rotation"] = new JsonObject { ["MaxMegabytes"] = 64, ["Keep"] = 2 } },
                ["Waiting"] = new JsonObject { ["MaxWait"] = "00:00:02", ["Default"] = "00:00:02" },
                // No caller is slowed down: every request must be judged.
                ["Limits"] = new JsonObject { ["FailedProofs"] = 1_000_000, ["FailedProofsPerSecond"] = 100_000 },
                ["Issuers"] = new JsonObject { ["here"] = new JsonObject { ["Kind"] = "BuiltIn" } },
                ["Databases"] = new JsonObject { ["orders"] = BrokerConfiguration.Database("PostgreSql", postgres) },
                ["Roles"] = new JsonObject { ["alice-role"] = Role("alice"), ["bob-role"] = Role("bob") },
                ["Identity"] = new JsonObject
                {
                    ["Issuers"] = new JsonObject { ["local"] = new JsonObject { ["Authority"] = identity.Authority.OriginalString, ["Audience"] = "broker", ["Sessions"] = true } },
                    ["Viewers"] = People(LocalIdentity.Viewers),
                    ["Operators"] = People(LocalIdentity.Operators),
                },
            },
        };
    }

    private static int Resident(int process) =>
        int.Parse(File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
}
