using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Sessions;
using Broker.Core.Sessions.ClientTokens;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

/// <summary>Tokens of sessions and of Vault's clients that anybody can make up, on a slow ledger.</summary>
public sealed class SessionTokensTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L10_However_many_sessions_are_made_up_few_are_looked_for_at_once()
    {
        await using var store = new SlowStore();
        using var prover = new CallerProver(new FixedCatalog(), new(new()), time, NullLogger<CallerProver>.Instance);
        using var tokens = new SessionTokens(
            new(store, time), new(new(new EphemeralDataProtectionProvider()), time), new FixedCatalog(), prover, new(new()), time);

        var proofs = Enumerable.Range(0, 200).Select(_ => tokens.ProveAsync(SessionToken.New().Value.Reveal().AsMemory(), "192.0.2.1", default).AsTask()).ToList();

        store.Asked.ShouldBe(32);
        store.Answer.SetException(new LedgerException("away"));
        (await Task.WhenAll(proofs)).ShouldAllBe(proof => proof.Failure == ProofFailure.SessionsUnavailable);
        store.Asked.ShouldBe(200);
    }

    [Fact]
    public async Task L10_However_many_tokens_of_Vaults_clients_are_made_up_they_are_looked_for_in_turns()
    {
        await using var store = new SlowStore();
        using var prover = new CallerProver(new FixedCatalog(), new(new()), time, NullLogger<CallerProver>.Instance);
        var reads = new TokenReads(time);
        using var tokens = new ClientTokens(
            new(store, new(new EphemeralDataProtectionProvider())), prover, new FixedCatalog(), new(new()), reads, time);
        for (var taken = 0; taken < 32; taken++) (await reads.EnterAsync("192.0.2.1", "another")).ShouldBeTrue();
        store.Answer.SetException(new LedgerException("away"));

        var proofs = Enumerable.Range(0, 200).Select(_ => tokens.ProveAsync(new DefaultHttpContext(), ClientTokenText.New().Reveal(), strictly: true).AsTask()).ToList();

        store.Asked.ShouldBe(0, "all places are taken");
        reads.Leave();
        (await Task.WhenAll(proofs)).ShouldAllBe(proof => proof.Proof.Failure == ProofFailure.SessionsUnavailable);
    }

    [Theory]
    [InlineData("no sessions")]
    [InlineData("another audience")]
    [InlineData("another issuer")]
    [InlineData("gone")]
    public async Task A_session_is_over_when_its_issuers_tokens_would_open_none_any_more(string change)
    {
        var keys = Path.GetTempFileName();
        try
        {
            using var mint = new TokenMint("one", time, 0);
            await File.WriteAllTextAsync(keys, TokenMint.KeySet(mint), Cancel);
            var issuer = new IdentityIssuer { Name = "ci", Issuer = TokenMint.Issuer, Audience = "broker", JwksFile = keys, Sessions = true };
            var catalog = new FixedCatalog(issuer);
            using var prover = new CallerProver(catalog, new(new()), time, NullLogger<CallerProver>.Instance);
            var pipeline = (await prover.ProveAsync(mint.Token(payload => payload.Remove("kubernetes.io")).AsMemory(), Cancel)).Caller.ShouldNotBeNull();
            await using var store = new InProcessLedgerStore(time) { IsOfThisProcess = true };
            var (ledger, sealer) = (new SessionLedger(store, time), new SessionSealer(new(new EphemeralDataProtectionProvider()), time));
            using var tokens = new SessionTokens(ledger, sealer, catalog, prover, new(new()), time);
            var token = SessionToken.New();
            var session = Session.Of(pipeline, ["deploy"], time.GetUtcNow(), token);
            (await ledger.OpenAsync(token.Id, sealer.Write(token.Id, session, Hour), Hour, Hour, 10, "hash", Hour, Cancel)).Opening.ShouldBe(SessionOpening.Open);
            (await tokens.ProveAsync(token.Value.Reveal().AsMemory(), "", Cancel)).Caller.ShouldNotBeNull();

            catalog.Swap(change switch
            {
                "no sessions" => [issuer with { Sessions = false }],
                "another audience" => [issuer with { Audience = "others" }],
                "another issuer" => [issuer with { Issuer = "https://other" }],
                _ => Array.Empty<IdentityIssuer>(),
            });
            (await tokens.ProveAsync(token.Value.Reveal().AsMemory(), "", Cancel)).Failure.ShouldBe(ProofFailure.SessionUnknown);
        }
        finally
        {
            File.Delete(keys);
        }
    }

    private sealed class SlowStore : ILedgerStore
    {
        public int Asked { get; private set; }

        public TaskCompletionSource<string[]> Answer { get; } = new();

        public ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
        {
            Asked++;
            return new(Answer.Task);
        }

        public IDisposable Listen(string database, Action<string> heard) => new Nothing();

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Nothing : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
