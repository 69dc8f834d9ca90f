using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Audit;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

public partial class AuditLineTests
{
    [Fact]
    public async Task A_record_is_one_line_with_every_field()
    {
        (await Written(new AuditRecord
        {
            Time = new DateTimeOffset(2026, 3, 1, 14, 0, 0, 120, TimeSpan.FromHours(2)),
            Action = AuditAction.Claim,
            Outcome = AuditOutcome.Refused,
            CallerIssuer = "kubernetes",
            CallerSubject = "system:serviceaccount:orders:orders-api",
            CallerPodUid = "5f0c",
            Role = "orders-api",
            Database = "orders",
            LeaseId = "L1",
            HolderId = "H1",
            Connections = 5,
            Refusal = RefusalCode.BudgetExhausted,
            Detail = "2 are free.",
            TraceId = "4bf9",
            CallerSession = "S1",
            CallerProof = "hash",
            DatabaseUser = "v-orders-1",
            HeldUntil = new DateTimeOffset(2026, 3, 1, 12, 30, 0, TimeSpan.Zero),
            Reason = "leaked",
            ClientAddress = "10.0.0.7",
            HttpStatus = 503,
        })).ShouldBe(
            """
            {"time":"2026-03-01T12:00:00.1200000Z","action":"claim","outcome":"refused","httpStatus":503,
            "refusal":"budget-exhausted","detail":"2 are free.",
            "caller":{"issuer":"kubernetes","subject":"system:serviceaccount:orders:orders-api","podUid":"5f0c","session":"S1","proof":"hash"},
            "role":"orders-api","database":"orders","leaseId":"L1","holderId":"H1",
            "databaseUser":"v-orders-1","heldUntil":"2026-03-01T12:30:00.0000000Z","connections":5,"reason":"leaked",
            "traceId":"4bf9","clientAddress":"10.0.0.7"}
            """.ReplaceLineEndings(""));
    }

    [Fact]
    public async Task What_is_not_known_is_left_out()
    {
        var record = new AuditRecord { Time = DateTimeOffset.UnixEpoch, Action = AuditAction.Authenticate, Outcome = AuditOutcome.Failed };

        (await Written(record)).ShouldBe("""{"time":"1970-01-01T00:00:00.0000000Z","action":"authenticate","outcome":"failed"}""");
    }

    [Theory]
    [InlineData("two\nlines\r\n\u2028\u0085 and \"quotes\" \\ \u001b[31m \0")]
    [InlineData("Grüße 注文 🐘")]
    [InlineData("")]
    public async Task Any_text_stays_inside_its_line(string text)
    {
        var line = await Written(AuditFolder.Record("H1") with { Role = text });

        line.Any(char.IsControl).ShouldBeFalse();
        using var json = JsonDocument.Parse(line);
        json.RootElement.GetProperty("role").GetString().ShouldBe(text);
        json.RootElement.GetProperty("holderId").GetString().ShouldBe("H1");
    }

    [Fact]
    public async Task Half_a_character_spoils_neither_its_line_nor_its_batch()
    {
        var line = await Written(AuditFolder.Record("H1") with { Role = "half \ud83d", Detail = "\udc18 the other" });

        using var json = JsonDocument.Parse(line);
        json.RootElement.GetProperty("role").GetString().ShouldBe("half \ufffd");
        json.RootElement.GetProperty("detail").GetString().ShouldBe("\ufffd the other");
    }

    [Fact]
    public async Task A_long_text_is_cut_between_characters_by_the_bytes_that_it_takes()
    {
        foreach (var (letter, bytes) in new[] { ("🐘", 12), ("注", 3), ("\u0001", 6), ("y", 1) })
        {
            var line = await Written(AuditFolder.Record("H1") with { Detail = "x" + string.Concat(Enumerable.Repeat(letter, 5000)) });

            using var json = JsonDocument.Parse(line);
            json.RootElement.GetProperty("detail").GetString().ShouldBe("x" + string.Concat(Enumerable.Repeat(letter, (AuditLine.LongestText - 1) / bytes)) + "…");
        }
    }

    [Fact]
    public void L6_Nothing_that_could_carry_a_secret_fits_into_a_record()
    {
        Type[] harmless = [typeof(string), typeof(int), typeof(DateTimeOffset)];
        foreach (var property in typeof(AuditRecord).GetProperties())
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            (type.IsEnum || harmless.Contains(type)).ShouldBeTrue($"{property.Name} is a {type.Name}; an audit holds words, names, numbers and times");
            property.Name.ShouldNotMatch("(?i)password|secret|token|uri|connectionstring|username");
        }

        typeof(AuditRecord).IsSealed.ShouldBeTrue("a derived record could carry more");
    }

    [GeneratedRegex(""",\"chain\":\"[A-Za-z0-9_-]{12}\",\"seq\":[0-9]+,\"hash\":\"[A-Za-z0-9_-]{43}\"}\z""")]
    private static partial Regex ChainEnd();

    private static async Task<string> Written(AuditRecord record)
    {
        using var folder = new AuditFolder();
        await using (var audit = folder.Open()) await audit.WriteAsync(record, TestContext.Current.CancellationToken);
        var line = AuditFolder.Records(folder.Path).ShouldHaveSingleItem();
        return ChainEnd().Replace(line, "}", 1);
    }
}
