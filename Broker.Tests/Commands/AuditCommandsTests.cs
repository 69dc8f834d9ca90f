using Broker.Core.Audit;
using Broker.Tests.Audit;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

public sealed class AuditCommandsTests : IDisposable
{
    private static readonly string[] Holders = ["H1", "H2", "H3"];
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly AuditFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Verify_says_that_all_is_well_or_what_is_not()
    {
        await WriteAsync(Granted("H1", "v-1", 0, 30));
        LastLine(await CommandLine.RunAsync("audit", "verify", folder.Path)).ShouldBe((0, "3 records, 0 signatures verified: no record is changed, missing or out of order."));

        await File.WriteAllTextAsync(folder.Path, (await File.ReadAllTextAsync(folder.Path, TestContext.Current.CancellationToken)).Replace("H1", "H2"), TestContext.Current.CancellationToken);
        var (code, said) = await CommandLine.RunAsync("audit", "verify", folder.Path);
        code.ShouldBe(1);
        said.ShouldContain("record 2 was changed");
    }

    [Fact]
    public async Task L15_Nothing_that_somebody_wrote_into_an_audit_steers_the_terminal()
    {
        const string Steers = "\u001b]0;\u009b2J\u0007\r";
        await WriteAsync(Granted("H1", "v-1", 0, 30) with { CallerSubject = Steers, Role = Steers, TraceId = Steers });
        var (_, told) = await CommandLine.RunAsync("audit", "query", folder.Path, "--user", "v-1", "--at", Noon.AddMinutes(1).ToString("O"));
        told.ShouldContain("H1");
        told.Where(static letter => char.IsControl(letter) && letter != '\n').ShouldBeEmpty();

        var lines = await File.ReadAllLinesAsync(folder.Path, TestContext.Current.CancellationToken);
        var made = System.Text.RegularExpressions.Regex.Replace(lines[^1], "\"chain\":\"[^\"]*\"", "\"chain\":\"\\u001b]0;\\u009b2J\"");
        made.ShouldNotBe(lines[^1]);
        await File.AppendAllTextAsync(folder.Path, made + "\n", TestContext.Current.CancellationToken);
        var (code, said) = await CommandLine.RunAsync("audit", "verify", folder.Path);
        code.ShouldBe(1);
        said.ShouldContain("another chain");
        said.Where(static letter => char.IsControl(letter) && letter != '\n').ShouldBeEmpty();
    }

    [Fact]
    public async Task Query_says_who_held_a_user_at_a_time()
    {
        await WriteAsync(
            Granted("H1", "v-1", 0, 30),
            Granted("H2", "v-1", 5, 30),
            Granted("H3", "v-2", 5, 30),
            Granted("H1", "v-1", 20, 30) with { Action = AuditAction.Renew },
            Granted("H2", null, 25, null) with { Action = AuditAction.Release, DatabaseUser = null },
            Granted("H1", "v-3", 40, 30) with { Action = AuditAction.Renew, LeaseId = "L3" });

        (await HoldersAsync("v-1", 3)).ShouldBe(["H1"]);
        (await HoldersAsync("v-1", 10)).ShouldBe(["H1", "H2"]);
        (await HoldersAsync("v-1", 30)).ShouldBe(["H1"], "H2 left, and H1 had renewed");
        (await HoldersAsync("v-1", 45)).ShouldBeEmpty("H1 had moved on");
        (await HoldersAsync("v-3", 45)).ShouldBe(["H1"]);
        (await HoldersAsync("v-2", 10)).ShouldBe(["H3"]);
        (await HoldersAsync("v-2", 36)).ShouldBeEmpty("it had run out");
        (await HoldersAsync("v-9", 10)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Query_takes_an_order_that_is_not_carried_out_yet_for_no_end()
    {
        var order = Granted("H1", null, 5, null) with { Outcome = AuditOutcome.Ordered, DatabaseUser = null };
        await WriteAsync(
            Granted("H1", "v-1", 0, 30),
            order with { Action = AuditAction.End },
            order with { Action = AuditAction.Revoke },
            order with { Action = AuditAction.End, Outcome = AuditOutcome.Granted, Time = Noon.AddMinutes(20) });

        (await HoldersAsync("v-1", 10)).ShouldBe(["H1"]);
        (await HoldersAsync("v-1", 25)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Query_names_a_holder_that_gave_up_one_of_several_leases()
    {
        var one = Granted("H1", null, 5, null) with { Action = AuditAction.Release, DatabaseUser = null };
        await WriteAsync(
            Granted("H1", "v-1", 0, 30),
            one with { Detail = "One of several handles; its holder stays for the other handles." }, // as earlier versions wrote it
            one with { HolderId = null, Detail = "One of several handles of holder H1, which stays for the others." },
            one with { Time = Noon.AddMinutes(20) });

        (await HoldersAsync("v-1", 10)).ShouldBe(["H1"]);
        (await HoldersAsync("v-1", 25)).ShouldBeEmpty("it left with the last");
    }

    [Theory]
    [InlineData("audit", "verify", "/nowhere/audit.jsonl")]
    [InlineData("audit", "query", "/nowhere/audit.jsonl", "--user", "v-1", "--at", "2026-03-01T12:00:00Z")]
    public async Task What_cannot_be_read_has_a_code_of_its_own(params string[] args) => (await CommandLine.RunAsync(args)).Code.ShouldBe(2);

    private static (int, string) LastLine((int Code, string Text) run) => (run.Code, run.Text.Trim().Split('\n')[^1].Trim());

    private static AuditRecord Granted(string holder, string? user, int minute, int? forMinutes) => new()
    {
        Time = Noon.AddMinutes(minute),
        Action = AuditAction.Claim,
        Outcome = AuditOutcome.Granted,
        CallerIssuer = "kubernetes",
        CallerSubject = "orders",
        HolderId = holder,
        DatabaseUser = user,
        HeldUntil = forMinutes is { } minutes ? Noon.AddMinutes(minute + minutes) : null,
        LeaseId = "L-" + user,
        Connections = 5,
    };

    private async Task<string[]> HoldersAsync(string user, int minute)
    {
        var (code, said) = await CommandLine.RunAsync("audit", "query", folder.Path, "--user", user, "--at", Noon.AddMinutes(minute).ToString("O"));
        string[] held = [.. Holders.Where(holder => said.Contains($" {holder} ", StringComparison.Ordinal))];
        code.ShouldBe(held.Length == 0 ? 1 : 0);
        return held;
    }

    private async Task WriteAsync(params AuditRecord[] records)
    {
        await using var audit = folder.Open();
        foreach (var record in records) await audit.WriteAsync(record, TestContext.Current.CancellationToken);
    }
}
