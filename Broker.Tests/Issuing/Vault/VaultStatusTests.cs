using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>Answers no recording has: proxies in between, rarer texts, other versions.</summary>
public sealed class VaultStatusTests
{
    [Theory]
    [InlineData(VaultCall.Issue, 204, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 301, false, "", VaultVerdict.Unavailable)] // a proxy's
    [InlineData(VaultCall.Issue, 307, false, "", VaultVerdict.AnswerLost)] // a standby's, which may have passed it on and lost the answer
    [InlineData(VaultCall.Issue, 308, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Renew, 307, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 408, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 412, true, "required index state not present", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 472, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 473, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 500, true, "\"app\" is not an allowed role", VaultVerdict.Refused)]
    [InlineData(VaultCall.Issue, 500, true, "pq: too many connections", VaultVerdict.DatabaseUnavailable)]
    [InlineData(VaultCall.Issue, 500, true, "dial tcp 10.0.0.1:5432: connect: connection refused", VaultVerdict.DatabaseUnavailable)]
    [InlineData(VaultCall.Issue, 500, true, "failed to connect: context deadline exceeded", VaultVerdict.DatabaseUnavailable)]
    [InlineData(VaultCall.Issue, 500, true, "context deadline exceeded", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 500, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 500, true, "local node not active but active cluster node not found", VaultVerdict.Unavailable)] // said before anything is passed on
    [InlineData(VaultCall.Issue, 500, true, "internal error", VaultVerdict.AnswerLost)] // its audit device is full: before the user is made, or after
    [InlineData(VaultCall.Issue, 400, true, "path disabled in replication DR secondary mode", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.LogIn, 400, true, "path disabled in replication DR secondary mode", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 503, true, "node is not active", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 503, true, "no active Vault instance found", VaultVerdict.AnswerLost)] // in place of a redirect
    [InlineData(VaultCall.Renew, 503, true, "no active Vault instance found", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 501, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 502, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 502, true, "upstream rate limited", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 503, true, "Vault is sealed", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Issue, 503, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Issue, 504, false, "", VaultVerdict.AnswerLost)]
    [InlineData(VaultCall.Renew, 400, true, "lease expired", VaultVerdict.LeaseUnknown)]
    [InlineData(VaultCall.Renew, 400, true, "invalid lease", VaultVerdict.LeaseUnknown)]
    [InlineData(VaultCall.Renew, 400, true, "lease is expired and has failed previous revocation attempts", VaultVerdict.LeaseUnknown)]
    [InlineData(VaultCall.Renew, 400, true, "past the max TTL, cannot renew", VaultVerdict.LeaseAtItsEnd)]
    [InlineData(VaultCall.Renew, 400, true, "lease is not renewable", VaultVerdict.LeaseAtItsEnd)]
    [InlineData(VaultCall.Renew, 400, true, "failed to renew entry: pq: role does not exist", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 400, true, "lease not found or lease is not renewable", VaultVerdict.LeaseUnknown)] // up to Vault 0.10
    [InlineData(VaultCall.Renew, 400, true, "cannot renew lease, no valid associated token", VaultVerdict.LeaseUnknown)] // its batch token is over
    [InlineData(VaultCall.Renew, 500, true, "past the max TTL, cannot renew", VaultVerdict.LeaseAtItsEnd)]
    [InlineData(VaultCall.RenewSelf, 500, true, "past the max TTL, cannot renew", VaultVerdict.Refused)]
    [InlineData(VaultCall.RenewSelf, 400, true, "batch tokens cannot be renewed", VaultVerdict.Refused)]
    [InlineData(VaultCall.RenewSelf, 500, true, "policies have changed, not renewing", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 412, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 429, false, "", VaultVerdict.Throttled)]
    [InlineData(VaultCall.Renew, 472, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 473, true, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 503, true, "Vault is sealed", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 503, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Revoke, 500, true, "internal error", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Revoke, 500, true, "local node not active but active cluster node not found", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Renew, 502, false, "", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Revoke, 200, false, "", VaultVerdict.Done)]
    [InlineData(VaultCall.Revoke, 202, false, "", VaultVerdict.Done)]
    [InlineData(VaultCall.Revoke, 400, true, "invalid lease", VaultVerdict.NothingThere)]
    [InlineData(VaultCall.Revoke, 400, true, "failed to revoke entry: connection refused", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.Revoke, 500, true, "connection refused", VaultVerdict.DatabaseUnavailable)]
    [InlineData(VaultCall.List, 404, true, "", VaultVerdict.NothingThere)]
    [InlineData(VaultCall.List, 404, true, "no handler for route", VaultVerdict.Refused)]
    [InlineData(VaultCall.List, 404, false, "", VaultVerdict.Refused)]
    [InlineData(VaultCall.LogIn, 404, true, "no handler for route", VaultVerdict.Refused)]
    [InlineData(VaultCall.LogIn, 500, true, "internal error", VaultVerdict.Unavailable)]
    [InlineData(VaultCall.LookUp, 429, true, "rate limit quota exceeded", VaultVerdict.Throttled)]
    internal void A_status_means(VaultCall call, int status, bool fromVault, string text, VaultVerdict meaning) =>
        VaultStatus.Read(call, status, fromVault, text).ShouldBe(meaning);

    [Theory]
    [InlineData(200, VaultState.Active, true)]
    [InlineData(429, VaultState.Standby, true)]
    [InlineData(472, VaultState.DisasterRecoverySecondary, true)]
    [InlineData(473, VaultState.PerformanceStandby, true)]
    [InlineData(474, VaultState.StandbyWithoutActive, false)]
    [InlineData(501, VaultState.NotInitialised, false)]
    [InlineData(503, VaultState.Sealed, false)]
    [InlineData(530, VaultState.Removed, false)]
    public void A_status_of_its_health_means(int status, VaultState state, bool alive)
    {
        VaultHealth.StateOf(status).ShouldBe(state);
        new VaultHealth(state, null).IsAlive.ShouldBe(alive);
    }

    [Theory]
    [InlineData("1 error occurred:\n\t* permission denied\n\n", "permission denied")]
    [InlineData("2 errors occurred:\n\t* one\n\t* two\n\n", "one; two")]
    [InlineData("failed to renew entry: 1 error occurred:\n\t* down\n\n", "failed to renew entry: down")]
    [InlineData("plain", "plain")]
    [InlineData("a\u0000b\r\n  c", "a b c")]
    [InlineData("", "")]
    public void Vaults_errors_become_one_line(string error, string line) => VaultErrorText.Clean([error]).ShouldBe(line);

    [Fact]
    public void Vaults_errors_are_bounded_and_hold_no_secret_of_the_request()
    {
        var secret = new Secret("hvs.secret");

        VaultErrorText.Clean(["x", new string('y', 5000)]).Length.ShouldBeLessThan(510);
        VaultErrorText.Clean(["token hvs.secret is bad"], secret).ShouldBe("token [redacted] is bad");
    }

    [Theory]
    [InlineData("database/creds/app", "database/creds/app")]
    [InlineData("/database/creds/app/", "database/creds/app")]
    [InlineData("team a/creds/app?list=true#x", "team%20a/creds/app%3Flist%3Dtrue%23x")]
    [InlineData("database/creds/%2e%2e", "database/creds/%252e%252e")]
    [InlineData("database\\creds", "database%5Ccreds")]
    public void A_path_is_escaped(string path, string escaped) => VaultPath.Parse(path).Escaped.ShouldBe(escaped);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("database//app")]
    [InlineData("database/creds/../../sys/seal")]
    [InlineData("./app")]
    [InlineData("database/creds/a\nb")]
    public void A_path_that_leads_elsewhere_is_refused(string? path) =>
        Should.Throw<Broker.Core.Issuing.IssuerException>(() => VaultPath.Parse(path))
            .Failure.ShouldBe(Broker.Core.Issuing.IssuerFailure.Refused);
}
