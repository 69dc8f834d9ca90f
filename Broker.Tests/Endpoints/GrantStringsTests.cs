using System.Text.Json.Nodes;
using Broker.Core.Identity;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>The strings of a real grant.</summary>
public sealed class GrantStringsTests(RunningBroker broker)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_database_shows_who_holds_a_connection_and_a_person_can_read_the_strings()
    {
        var (one, other) = (await ClaimAsync(), await ClaimAsync());
        one.User.ShouldBe(other.User, "they share a lease");

        foreach (var (text, grant) in new[] { (one.Text, one.Grant), (other.Text, other.Grant) })
        {
            text.ShouldNotContain("\\u00");
            await using var connection = new NpgsqlConnection(grant["credentials"]!["adoNet"]!.GetValue<string>() + ";Pooling=false");
            await connection.OpenAsync(Cancellation);
            await using var command = new NpgsqlCommand("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()", connection);
            var shown = (string)(await command.ExecuteScalarAsync(Cancellation))!;

            shown.ShouldStartWith("orders/");
            HolderName.TryReadKey(shown, out var key).ShouldBeTrue(shown);
            key.ToString().ShouldBe(HolderName.KeyOf(grant["holder"]!["id"]!.GetValue<string>()).ToString());
            foreach (var (driver, member) in grant["credentials"]!["drivers"]!.AsObject())
                Uri.UnescapeDataString(member!.GetValue<string>()).ShouldContain(shown, Case.Sensitive, driver);
        }

        one.Grant["credentials"]!["adoNet"]!.GetValue<string>().ShouldNotBe(other.Grant["credentials"]!["adoNet"]!.GetValue<string>());
    }

    private async Task<(string User, string Text, JsonNode Grant)> ClaimAsync()
    {
        using var pod = await broker.PodAsync();
        using var answer = await pod.PostAsync($"/api/v1/roles/{RunningBroker.Role}/credentials", null, Cancellation);
        var text = await answer.Content.ReadAsStringAsync(Cancellation);
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        var grant = JsonNode.Parse(text)!;
        return (grant["credentials"]!["username"]!.GetValue<string>(), text, grant);
    }
}
