using System.Diagnostics;
using System.Net;
using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Catalog;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Limits;
using Broker.Core.Sessions.ClientTokens;
using Broker.Tests.Authentication;
using Broker.Tests.Fronts.Vault;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>Floods of tokens that prove nobody cost the flood, and nobody else who comes from its address.</summary>
public sealed class ThrottlesTests
{
    private const int Pods = 50;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Floods => new("garbage", "wrong signature", "unknown key", "wrong signature in the pods' own names", "unknown session", "no administrator");

    [Theory]
    [MemberData(nameof(Floods))]
    public async Task New_pods_are_all_served_while_their_address_sends_bad_tokens(string kind)
    {
        await using var world = new BrokerWorld(("Limits:FailedProofs", "20"), ("Limits:FailedProofsPerSecond", "0.1"));
        using var thief = new TokenMint("one", world.Time, 1);
        using var unknown = new TokenMint("unknown", world.Time, 2);
        var replica = await world.ReplicaAsync();
        (await world.ClaimAsync(replica, world.Pod("first"), body: new() { ["connections"] = 1 })).Status.ShouldBe(200);

        // The address has long used up what it may get wrong.
        for (var i = 0; i < 30; i++) await world.ClaimAsync(replica, Bad(i));
        await Eventually.HoldsAsync(async () => (await world.ClaimAsync(replica, Bad(0))).Status == 429, "it has used up its allowance", Cancel);

        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var flood = FloodAsync();
        var clock = Stopwatch.StartNew();
        var answers = await Task.WhenAll(Enumerable.Range(0, Pods).Select(i => world.ClaimAsync(replica, world.Pod($"pod-{i}"), body: new() { ["connections"] = 1 })));
        TestContext.Current.TestOutputHelper?.WriteLine($"{Pods} pods in {clock.ElapsedMilliseconds} ms");
        await over.CancelAsync();
        await flood;
        answers.ShouldAllBe(answer => answer.Status == 200);

        string Bad(int i) => kind switch
        {
            "garbage" => $"guess-{i}",
            "wrong signature" => thief.Token(payload => payload["sub"] = $"somebody-{i}"),
            "unknown key" => unknown.Token(),
            "wrong signature in the pods' own names" => thief.Token(payload => payload["kubernetes.io"]!["pod"]!["uid"] = $"pod-{i % Pods}"),
            "unknown session" => $"brs_{i:0000000000000000}_{new string('x', 43)}",
            _ => $"bra_{i}",
        };

        // 200 a second, as far as the machine goes along.
        async Task FloodAsync()
        {
            for (var i = 0; !over.IsCancellationRequested; i += 10)
            {
                await Task.WhenAll(Enumerable.Range(i, 10).Select(n => world.ClaimAsync(replica, Bad(n))));
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [Fact]
    public async Task L10_A_client_of_Vaults_waits_in_its_own_addresss_turns_while_others_tokens_fill_the_line()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using var mint = new TokenMint("one", time, 0);
        var issuer = new IdentityIssuer { Name = "kubernetes", Issuer = TokenMint.Issuer, Audience = "broker" };
        var mount = new AuthMount("kubernetes", AuthMountType.Kubernetes) { Issuer = "kubernetes" };
        var catalog = new FixedCatalog();
        catalog.Swap(FixedCatalog.Of([issuer], [], []) with { VaultApi = new() { AuthMounts = new Dictionary<string, AuthMount> { ["kubernetes"] = mount } } });
        var late = new TaskCompletionSource<KeySet>(TaskCreationOptions.RunContinuationsAsynchronously);
        var minute = TimeSpan.FromMinutes(1);
        var ages = new KeyAges(minute / 2, minute, minute, TimeSpan.FromSeconds(10), SigningKeys.AfterFailure);
        using var prover = new CallerProver(catalog, new(new()), time, NullLogger<CallerProver>.Instance, _ => new("kubernetes", () => late.Task, ages, time, NullLogger.Instance));
        await using var store = new InProcessLedgerStore(time) { IsOfThisProcess = true };
        var ledger = new ClientTokenLedger(store, new(new EphemeralDataProtectionProvider()));
        using var tokens = new ClientTokens(ledger, prover, catalog, new(new()), new(time), time);
        var text = ClientTokenText.New().Reveal();
        var token = new ClientToken(
            "accessor", "kubernetes", "orders", "kubernetes", "orders", [new("aud", "broker"), new("iss", TokenMint.Issuer)], ["default"], new Dictionary<string, string>(), time.GetUtcNow(), TimeSpan.FromHours(1), null)
        {
            Proof = mint.Token(),
            ProofEndsAt = time.GetUtcNow().AddHours(1),
        };
        await ledger.PutAsync(ClientTokenText.IdOf(text), ["one"], token, TimeSpan.FromHours(1), Cancel);

        var others = Enumerable.Range(0, 1000).Select(i => prover.ProveAsync(mint.Token(payload => payload["sub"] = $"other-{i}").AsMemory(), "", Cancel).AsTask()).ToList();
        await Eventually.HoldsAsync(() => Task.FromResult(others.Any(static one => one.IsCompleted)), "the line is full", Cancel);
        var refused = others.Count(static one => one.IsCompleted);
        var client = tokens.ProveAsync(new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse("192.0.2.7") } }, text, strictly: true).AsTask();
        await Eventually.HoldsAsync(() => Task.FromResult(client.IsCompleted || others.Count(static one => one.IsCompleted) > refused), "one of them gives way", Cancel);
        late.SetResult(new KeySet(TokenMint.Issuer, KeySet.Parse(TokenMint.KeySet(mint))));

        (await client).Proof.Caller.ShouldNotBeNull().Subject.ShouldBe("orders");
        await Task.WhenAll(others);
    }

    [Theory]
    [InlineData("GET", "auth/token/lookup-self", 403)]
    [InlineData("PUT", "sys/wrapping/lookup", 400)]
    [InlineData("PUT", "sys/wrapping/unwrap", 400)]
    [InlineData("PUT", "sys/wrapping/rewrap", 400)]
    public async Task L10_A_made_up_token_of_Vaults_clients_is_looked_for_in_its_turn_alone(string method, string path, int found)
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync()) { Token = ClientTokenText.New().Reveal() };
        var reads = world.Service<TokenReads>();
        var places = new List<bool>();
        while (places.Count < 32) places.Add(await reads.EnterAsync("192.0.2.1", "another"));
        var waiting = Enumerable.Range(0, 1000).Select(i => reads.EnterAsync("", $"{i}").AsTask()).ToList();

        var refused = await caller.SendAsync(method, path);
        refused.Status.ShouldBe(503);
        refused.Headers.RetryAfter.ShouldNotBeNull();

        foreach (var _ in places) reads.Leave();
        foreach (var entered in waiting)
        {
            if (await entered) reads.Leave();
        }

        (await caller.SendAsync(method, path)).Status.ShouldBe(found);
    }

    [Fact]
    public async Task A_token_that_was_somebodys_is_told_what_is_wrong_with_it_whatever_its_address_sends()
    {
        await using var world = new BrokerWorld(("Limits:FailedProofs", "5"), ("Limits:FailedProofsPerSecond", "0.1"));
        var replica = await world.ReplicaAsync();
        // Some of the allowance has come back by then where the guesses take long.
        var guesses = 0;
        Answer slowed;
        while ((slowed = await world.ClaimAsync(replica, $"guess-{guesses}")).Status == 401 && guesses < 1000) guesses++;
        guesses.ShouldBeGreaterThanOrEqualTo(5);
        (slowed.Status, slowed.Code).ShouldBe((429, "limit-exceeded"));
        slowed.Headers.RetryAfter.ShouldNotBeNull();

        var expired = world.Mint.Token(payload => payload["exp"] = world.Time.GetUtcNow().ToUnixTimeSeconds() - 60);
        (await world.ClaimAsync(replica, expired)).Body["detail"]!.GetValue<string>().ShouldBe(ProofFailure.Expired.Describe());
        world.Time.Forward(TimeSpan.FromSeconds(11));
        (await world.ClaimAsync(replica, "guess-later")).Status.ShouldBe(401, "the address's allowance comes back by the broker's clock (law L9)");
        await Eventually.HoldsAsync(async () => (await world.ClaimAsync(replica, "guess-last")).Status == 429, "and is used up again", Cancel);
    }

    [Fact]
    public void L10_A_sign_in_is_good_once_and_for_minutes_and_an_address_brings_so_many()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
        var line = new SignInLine(time);
        line.WhyNot(Begun(), "a").ShouldBeNull();
        var twice = Begun();
        line.WhyNot(twice, "a").ShouldBeNull();
        line.WhyNot(twice, "b").ShouldBe("This sign-in has already been used.");
        line.WhyNot(new(), "a").ShouldNotBeNull("it was not begun here");

        for (var more = 0; more < 100; more++) line.WhyNot(Begun(), "flood");
        line.WhyNot(Begun(), "flood").ShouldBe(SignInLine.TooMany);
        line.WhyNot(Begun(), "another").ShouldBeNull();
        time.Advance(TimeSpan.FromSeconds(1));
        line.WhyNot(Begun(), "flood").ShouldBeNull();

        var late = Begun();
        time.Advance(SignInLine.GoodFor - TimeSpan.FromSeconds(1));
        line.WhyNot(twice, "c").ShouldNotBeNull();
        line.WhyNot(late, "c").ShouldBeNull();
        var later = Begun();
        time.Advance(SignInLine.GoodFor);
        line.WhyNot(later, "c").ShouldBe("This sign-in was begun too long ago.");

        AuthenticationProperties Begun()
        {
            var properties = new AuthenticationProperties();
            line.Begin(properties);
            return properties;
        }
    }

    [Fact]
    public void What_is_remembered_of_addresses_is_bounded_and_those_used_lately_stay()
    {
        var time = new FakeTimeProvider();
        var limit = new RateLimit(time, most: 1000);
        limit.Take("busy", 1, 1).ShouldBeNull();
        for (var i = 0; i < 20_000; i++)
        {
            limit.Take($"address-{i}", 1, 1).ShouldBeNull();
            limit.Take("busy", 1, 1).ShouldNotBeNull("who comes all the time is not forgotten for those who come once");
            limit.Count.ShouldBeLessThanOrEqualTo(1000 + 16);
        }
    }
}
