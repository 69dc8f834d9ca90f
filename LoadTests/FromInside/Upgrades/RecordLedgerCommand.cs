using System.CommandLine;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromInside.Upgrades;

/// <summary>
/// <c>loadtests record-ledger</c>: what a version of the broker writes into a ledger while pods hold logins and one lease follows another, for
/// tests that read it with later versions. A ledger's file holds the same records as Redis.
/// </summary>
internal static class RecordLedgerCommand
{
    private const int Pods = 6, Connections = 2;

    public static Command Create()
    {
        var from = new Option<FileInfo?>("--from") { Description = "The version's broker.dll; default: the one built with this." };
        var to = new Option<DirectoryInfo>("--to") { Description = "The folder that ledger.db and ledger.json are written into.", Required = true };
        var command = new Command("record-ledger", "Record a ledger's file as a version of the broker writes it, with pods at work on it, and what is in it.") { from, to };
        command.SetAction(async (parsed, cancellation) =>
        {
            await RecordAsync(parsed.GetValue(from)?.FullName ?? BrokerProgram.Find(), parsed.GetRequiredValue(to), cancellation);
            return 0;
        });
        return command;
    }

    private static async Task RecordAsync(string program, DirectoryInfo to, CancellationToken cancellation)
    {
        var settings = new StageSettings { Replicas = 1, Ledger = LedgerKind.File, MaxConnections = 60, CeilingPercent = 100, Program = program };
        await using var stage = await Stage.SetAsync(settings, cancellation);
        using var door = new BrokerDoor([stage.Brokers[0].Address], stage.Identity, new() { Connections = Connections, WaitSeconds = 30 });
        var grants = new List<Grant>();
        for (var pod = 0; pod < Pods - 1; pod++) grants.Add(Granted(await door.AskAsync(pod, 0, cancellation)));

        // Of five holders one leaves, another one comes after the rotation, and two have moved; the others are still to move.
        using var operators = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        operators.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.OperatorToken());
        using (var order = await operators.PostAsJsonAsync(new Uri($"/api/v1/roles/{StageSettings.RoleName}/rotate", UriKind.Relative), new { reason = "to be recorded" }, cancellation))
            order.EnsureSuccessStatusCode();
        await Poll.UntilAsync(async cancel => (await LeasesAsync(cancel)).Count(static lease => lease!["state"]!.GetValue<string>() == "Active") == 1 && (await LeasesAsync(cancel)).Count == 2, TimeSpan.FromMinutes(1), "the rotation", cancellation);
        for (var pod = 0; pod < 2; pod++) Granted(await door.RenewAsync(pod, grants[pod], cancellation));
        Granted(await door.AskAsync(Pods - 1, 0, cancellation));
        await door.ReleaseAsync(4, grants[4], cancellation);

        var holders = (await ReadAsync("/api/v1/holders", cancellation))["holders"]!.DeepClone();
        var leases = (await LeasesAsync(cancellation)).DeepClone();
        await stage.Brokers[0].TerminateAsync();
        to.Create();
        File.Copy(Path.ChangeExtension(stage.AuditFiles[0], ".ledger"), Path.Combine(to.FullName, "ledger.db"), overwrite: true);
        var recorded = new JsonObject
        {
            ["version"] = FileVersionInfo.GetVersionInfo(program).ProductVersion,
            ["recordedAt"] = TimeProvider.System.GetUtcNow(),
            ["holders"] = holders,
            ["leases"] = leases,
        };
        await File.WriteAllTextAsync(Path.Combine(to.FullName, "ledger.json"), recorded.ToJsonString(new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }) + "\n", cancellation);

        async Task<JsonArray> LeasesAsync(CancellationToken cancel) => (await ReadAsync("/api/v1/leases", cancel))["leases"]!.AsArray();

        async Task<JsonNode> ReadAsync(string path, CancellationToken cancel) => (await operators.GetFromJsonAsync<JsonNode>(new Uri(path, UriKind.Relative), cancel))!;
    }

    private static Grant Granted(Answer answer) => answer as Grant ?? throw new InvalidOperationException($"A pod was refused: {answer}");
}
