using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Ledger;
using Broker.Core.Sessions;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

/// <summary>Session tokens that anybody can make up, on a ledger that takes its time.</summary>
public sealed class SessionTokensTests
{
    private readonly FakeTimeProvider time = new();

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
