using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Tests.Identity;
using Broker.Tests.Leases.Laws;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

public class ProvenTokensTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public void Never_more_than_the_capacity_are_remembered_and_the_newest_always_is()
    {
        var tokens = new ProvenTokens(capacity: 100, time);
        for (var i = 0; i < 1_000; i++)
        {
            tokens.Remember(Hash(i), Callers.Pod());
            tokens.TryRecall(Hash(i), out _).ShouldBeTrue();
            Enumerable.Range(0, i + 1).Count(seen => tokens.TryRecall(Hash(seen), out _)).ShouldBeInRange(Math.Min(i + 1, 50), 100);
        }
    }

    [Fact]
    public void L7_What_was_proven_before_the_machine_was_suspended_is_not_trusted_after_it()
    {
        var suspended = new SuspendedTime();
        var tokens = new ProvenTokens(capacity: 10, suspended);
        tokens.Remember(Hash(0), Callers.Pod());
        suspended.Suspend(TimeSpan.FromSeconds(59));
        tokens.TryRecall(Hash(0), out _).ShouldBeTrue();
        suspended.Suspend(TimeSpan.FromSeconds(1));
        tokens.TryRecall(Hash(0), out _).ShouldBeFalse();
    }

    [Fact]
    public void What_is_remembered_again_and_again_is_one()
    {
        var tokens = new ProvenTokens(capacity: 10, time);
        tokens.Remember(Hash(0), Callers.Pod());
        for (var i = 0; i < 100; i++) tokens.Remember(Hash(1), Callers.Pod());
        tokens.TryRecall(Hash(0), out _).ShouldBeTrue();
    }

    [Fact]
    public void A_long_token_and_one_that_differs_in_its_last_letter_have_hashes_of_their_own()
    {
        var text = new string('a', 10_000);
        TokenHash.Of(text).ShouldBe(TokenHash.Of(new string('a', 10_000)));
        TokenHash.Of(text).ShouldNotBe(TokenHash.Of($"{text.AsSpan(1)}b"));
        TokenHash.Of(text.AsSpan(0, 1_000)).ShouldNotBe(TokenHash.Of($"{text.AsSpan(0, 999)}b"));
    }

    [Fact]
    public async Task Recalling_a_token_allocates_nothing()
    {
        var keys = Path.GetTempFileName();
        using var mint = new TokenMint("one", TimeProvider.System, 0);
        try
        {
            File.WriteAllText(keys, TokenMint.KeySet(mint));
            using var prover = new CallerProver(
                new FixedCatalog(new IdentityIssuer { Name = "k", Issuer = TokenMint.Issuer, JwksFile = keys, Audience = "broker" }),
                new(new()), TimeProvider.System, NullLogger<CallerProver>.Instance);
            var token = mint.Token().AsMemory();
            (await prover.ProveAsync(token, TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull();
            Allocated(prover, token);
            Allocated(prover, token).ShouldBe(0);
        }
        finally
        {
            File.Delete(keys);
        }
    }

    private static long Allocated(CallerProver prover, ReadOnlyMemory<char> token)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            var proving = prover.ProveAsync(token, CancellationToken.None);
            if (!proving.IsCompleted || proving.GetAwaiter().GetResult().Caller is null) throw new InvalidOperationException("It was forgotten.");
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static TokenHash Hash(int token) => TokenHash.Of($"token {token}");
}
