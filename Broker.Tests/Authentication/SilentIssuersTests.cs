using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

/// <summary>An issuer whose keys are not to be had, beside others: nobody waits for it, or hears of it, who is not its own.</summary>
public sealed class SilentIssuersTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TaskCompletionSource<KeySet> never = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TokenMint mint;
    private readonly TokenMint forger;
    private readonly TokenVerifier verifier;

    public SilentIssuersTests()
    {
        mint = new TokenMint("one", time, 0);
        forger = new TokenMint("one", time, 1);
        verifier = new(new(new()), time);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        mint.Dispose();
        forger.Dispose();
    }

    [Fact]
    public async Task A_token_does_not_wait_for_the_keys_of_an_issuer_that_stands_before_its_own()
    {
        var own = Issuer("kubernetes", () => Task.FromResult(Keys(TokenMint.Issuer, mint)));
        await own.Keys.GetAsync(Cancel);
        var silent = Issuer("github", () => never.Task);

        (await CheckAsync([silent, own], mint.Token())).Caller.ShouldNotBeNull().Issuer.ShouldBe("kubernetes");
        (await CheckAsync([silent, own], mint.Token(payload => payload["exp"] = 1))).Failure.ShouldBe(ProofFailure.Expired);
    }

    [Theory]
    [InlineData(false, ProofFailure.Expired)]
    [InlineData(true, ProofFailure.BadSignature)]
    public async Task What_its_own_issuer_says_of_a_token_is_told_whoever_else_is_away(bool isForged, ProofFailure failure)
    {
        var own = Issuer("kubernetes", () => Task.FromResult(Keys(TokenMint.Issuer, mint)));
        await own.Keys.GetAsync(Cancel);
        var away = Issuer("github", static () => throw new HttpRequestException("away"));

        (await CheckAsync([away, own], isForged ? forger.Token() : mint.Token(payload => payload["exp"] = 1))).Failure.ShouldBe(failure);
        (await CheckAsync([away, own], mint.Token(payload => payload["iss"] = "https://github"))).Failure.ShouldBe(ProofFailure.KeysUnavailable, "it may be that one's");
    }

    [Fact]
    public async Task An_issuer_that_was_heard_once_is_not_asked_about_tokens_of_others_while_it_is_away()
    {
        var fetches = 0;
        var issuer = Issuer("github", () => fetches++ == 0 ? Task.FromResult(Keys("https://github", mint)) : throw new HttpRequestException("away"));
        await issuer.Keys.GetAsync(Cancel);
        time.Advance(TimeSpan.FromMinutes(2));
        (await CheckAsync([issuer], mint.Token(payload => payload["iss"] = "https://github"))).Failure.ShouldBe(ProofFailure.KeysUnavailable);

        (await CheckAsync([issuer], mint.Token())).Failure.ShouldBe(ProofFailure.UnknownIssuer);
    }

    [Fact]
    public async Task An_issuer_that_has_another_name_now_is_asked_what_it_is()
    {
        var name = "https://old";
        var issuer = Issuer("kubernetes", () => Task.FromResult(Keys(name, mint)));
        await issuer.Keys.GetAsync(Cancel);
        name = TokenMint.Issuer;
        time.Advance(TimeSpan.FromMinutes(2));

        (await CheckAsync([issuer], mint.Token())).Caller.ShouldNotBeNull();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L10_However_many_tokens_are_made_up_few_wait_for_keys_that_do_not_come(bool wereThere)
    {
        var fetches = 0;
        var issuer = Issuer("github", () => wereThere && fetches++ == 0 ? Task.FromResult(Keys(TokenMint.Issuer, mint)) : never.Task);
        if (wereThere)
        {
            await issuer.Keys.GetAsync(Cancel);
            time.Advance(TimeSpan.FromSeconds(10)); // unknown keys are looked for again
        }

        var all = Enumerable.Range(0, 2000)
            .Select(i => verifier.CheckAsync([issuer], mint.Token(payload => payload["sub"] = $"made-up-{i}", header => header["kid"] = $"made-up-{i}").AsMemory(), "192.0.2.1")).ToList();

        await Eventually.HoldsAsync(() => Task.FromResult(all.Count(static one => one.IsCompleted) >= 1000), "most are told to come again", Cancel);
        foreach (var told in all.Where(static one => one.IsCompleted)) (await told).Proof.Failure.ShouldBe(ProofFailure.TooManyChecks);
        never.SetResult(Keys(TokenMint.Issuer, mint));
        (await Task.WhenAll(all)).ShouldContain(static one => one.Proof.Failure == ProofFailure.UnknownKey);
    }

    private async Task<Proof> CheckAsync(IReadOnlyList<BelievedIssuer> issuers, string token) => (await verifier.CheckAsync(issuers, token.AsMemory(), "192.0.2.1").WaitAsync(Soon, Cancel)).Proof;

    private static KeySet Keys(string issuer, TokenMint mint) => new(issuer, KeySet.Parse(TokenMint.KeySet(mint)));

    // Its name is what its discovery document says.
    private BelievedIssuer Issuer(string name, Func<Task<KeySet>> fetch)
    {
        var minute = TimeSpan.FromMinutes(1);
        var ages = new KeyAges(minute / 2, minute, minute, TimeSpan.FromSeconds(10), SigningKeys.AfterFailure);
        return new(new IdentityIssuer { Name = name, Authority = new("https://" + name), Audience = "broker" }, new SigningKeys(name, fetch, ages, time, NullLogger.Instance), null);
    }
}
