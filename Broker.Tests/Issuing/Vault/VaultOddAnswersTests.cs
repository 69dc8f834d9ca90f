using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>Whatever comes back where Vault should answer, every call works or fails with an <see cref="IssuerException"/>: never with another.</summary>
public sealed class VaultOddAnswersTests
{
    public static TheoryData<string> Bodies =>
    [
        "", "<html><body>502 Bad Gateway</body></html>", "null", "[]", "5", "\"text\"", "{", "{}", "\u001f\u008b\u0008\u0000gzip", "{\"data\":5,\"auth\":7,\"errors\":8}",
        """{"data":null,"auth":null,"warnings":[null],"errors":[null]}""",
        """{"lease_id":5,"lease_duration":"long","renewable":"perhaps","data":{"username":[],"password":{}}}""",
        """{"lease_id":"database/creds/app/1","lease_duration":9223372036854775807,"renewable":true,"warnings":[null,""],"data":{"username":null,"password":null}}""",
        """{"lease_id":"database/creds/app/1","lease_duration":-5,"data":{"username":"u","password":"p"}}""",
        """{"data":{"ttl":9223372036854775807,"creation_time":9223372036854775807,"creation_ttl":-1,"period":-1,"explicit_max_ttl":9223372036854775807,"expire_time":"9999-12-31T23:59:59Z","issue_time":null,"renewable":true,"type":"service"}}""",
        """{"data":{"ttl":"3600","creation_time":1.5,"expire_time":""}}""",
        """{"auth":{"client_token":"","lease_duration":3600,"renewable":true}}""",
        """{"auth":{"client_token":"two\nlines","lease_duration":3600,"renewable":true}}""",
        """{"auth":{"client_token":"t","lease_duration":9223372036854775807,"renewable":true},"warnings":[null]}""",
        """{"data":{"keys":[null,"","/",5]}}""",
        """{"data":{"keys":[null,"a"]}}""",
    ];

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Every_call_answers_it_in_words(string body)
    {
        foreach (var status in new[] { 200, 400, 403, 500 })
        {
            await using var server = new RawServer((_, _) => RawServer.Ok(body).Replace("200 OK", $"{status} Odd", StringComparison.Ordinal));
            foreach (var auth in new[] { VaultFixture.AppRole, VaultFixture.TokenAuth(VaultFixture.GivenToken) })
            {
                var time = new FakeTimeProvider();
                using var bench = new VaultFixture(VaultFixture.PatientDefinitionOf(server.Address, auth), time);
                var lease = VaultFixture.LeaseOf("database/creds/app/1");
                await InWordsAsync(time, async () => await bench.IssueAsync());
                await InWordsAsync(time, async () => await bench.Issuer.LookUpAsync(lease, default, VaultFixture.Cancellation));
                await InWordsAsync(time, async () => await bench.Issuer.RenewAsync(lease, TimeSpan.FromHours(1), default, VaultFixture.Cancellation));
                await InWordsAsync(time, async () => await bench.Issuer.ListAsync(lease.Role, lease.Database, VaultFixture.Cancellation));
                await InWordsAsync(time, async () => await bench.Issuer.RevokeAsync(lease, VaultFixture.Cancellation));
            }
        }
    }

    [Theory]
    [InlineData("two\nlines")]
    [InlineData("umläut")]
    [InlineData("nul\0")]
    public async Task A_token_that_no_header_takes_is_refused_in_words_and_not_told(string token)
    {
        await using var server = new RawServer((_, _) => RawServer.Ok("{}"));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(server.Address, VaultFixture.TokenAuth(token)));

        var refusal = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        (refusal.Failure, server.Requests).ShouldBe((IssuerFailure.Refused, 0));
        refusal.Message.ShouldSatisfyAllConditions(text => text.ShouldContain("character"), text => text.ShouldNotContain(token));
    }

    private static async Task InWordsAsync(FakeTimeProvider time, Func<Task> call)
    {
        var ended = await VaultFixture.RunAsync(time, EndAsync(call));
        if (ended is not null) ended.ShouldBeOfType<IssuerException>(ended.ToString()).Message.ShouldNotBeEmpty();
    }

    private static async Task<Exception?> EndAsync(Func<Task> call)
    {
        try
        {
            await call();
            return null;
        }
        catch (Exception ended)
        {
            return ended;
        }
    }
}
