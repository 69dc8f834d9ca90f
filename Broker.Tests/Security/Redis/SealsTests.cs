using System.Text.Json;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Core.Sessions;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security.Redis;

/// <summary>
/// Each thing that a seal is bound to, apart from the others: in a running broker one of them often stands in for another, so that nobody
/// would notice when it is missing.
/// </summary>
public sealed class SealsTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly LedgerSeal seal = new(new EphemeralDataProtectionProvider());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("orders", "orders-api", "lease", true)]
    [InlineData("payments", "orders-api", "lease", false)]
    [InlineData("orders", "payroll", "lease", false)]
    [InlineData("orders", "orders-api", "another", false)]
    public void L14_A_login_opens_for_its_own_database_role_and_lease_alone(string database, string role, string lease, bool opens)
    {
        var sealer = new LoginSealer(seal);
        var text = sealer.Seal("orders", "orders-api", "orders-api", "lease", new("id", new("user", new("secret")), new(Hour, Renewable: false)));

        var opened = sealer.TryOpen(Record(database, lease, text), role);

        (opened?.Login.Username).ShouldBe(opens ? "user" : null);
    }

    [Fact]
    public void L14_A_login_that_nobody_sealed_is_none() =>
        new LoginSealer(seal).TryOpen(Record("orders", "lease", "[\"user\",\"secret\",\"id\",\"orders-api\"]"), "orders-api").ShouldBeNull();

    [Fact]
    public void L14_A_session_opens_under_its_own_id_alone_until_its_longest_end()
    {
        var sealer = new SessionSealer(seal, time);
        var session = new Session("ci", "job", [], ["deploy"], time.GetUtcNow(), "hash", "key");
        var text = sealer.Write("id", session, Hour);

        sealer.Read("id", text).ShouldNotBeNull().Subject.ShouldBe("job");
        sealer.Read("another", text).ShouldBeNull();
        sealer.Read("id", JsonSerializer.Serialize(new { Session = session, Until = time.GetUtcNow() + Hour })).ShouldBeNull("nobody sealed it");
        time.Advance(Hour + TimeSpan.FromMinutes(5));
        sealer.Read("id", text).ShouldBeNull("whatever end the ledger says");
    }

    [Fact]
    public async Task L14_A_Vault_token_is_used_for_its_own_issuer_alone_and_only_where_a_broker_sealed_it()
    {
        await using var store = new InProcessLedgerStore(time);
        var ledger = new SharedLedger(store);
        var token = new VaultToken { Value = new("hvs.its-own"), IssuedAt = time.GetUtcNow(), TimeLeft = Hour, FullTtl = Hour, Renewable = true, Horizon = null };
        await Tokens().ReplaceAsync("one", null, token, Cancel);
        var text = (await ledger.Texts.ReadSharedAsync("vault-token:one", Cancel))!.Value.Text;
        (await ledger.Texts.ReplaceSharedAsync("vault-token:copied", null, text, Cancel)).ShouldBeTrue();
        const string plain = """{"Value":"hvs.strangers","IssuedAt":"2030-01-01T00:00:00Z","TimeLeft":"01:00:00","FullTtl":"01:00:00","Renewable":true,"Horizon":null,"Earlier":[]}""";
        (await ledger.Texts.ReplaceSharedAsync("vault-token:made-up", null, plain, Cancel)).ShouldBeTrue();

        (await Tokens().ReadAsync("one", Cancel)).ShouldNotBeNull().Value.Reveal().ShouldBe("hvs.its-own");
        (await Tokens().ReadAsync("copied", Cancel)).ShouldBeNull();
        (await Tokens().ReadAsync("made-up", Cancel)).ShouldBeNull();

        LedgerVaultTokens Tokens() => new(ledger, seal, time);
    }

    private LeaseRecord Record(string database, string lease, string login) => new()
    {
        Id = lease,
        Database = database,
        Role = "whatever the ledger says",
        Pool = "whatever the ledger says",
        State = LeaseState.Active,
        Username = "",
        IssuerId = "",
        SealedLogin = login,
        CreatedAt = time.GetUtcNow(),
        IssuedAt = null,
        VerifiedAt = null,
        ExpiresAt = null,
        RenewAt = null,
        Renewable = false,
        Life = Hour,
        Holders = 0,
        Connections = 0,
        EmptySince = null,
        IdleTtl = Hour,
        AttemptUntil = null,
        Begun = true,
        Shut = false,
        MaxHolders = 0,
        Cap = null,
        CappedAt = null,
        Reason = "",
        ReadAt = time.GetUtcNow(),
    };
}
