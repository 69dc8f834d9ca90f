using Broker.Api.Authentication;
using Broker.Core.Catalog;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

public sealed class AuthorityTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private TokenMint mint = null!;
    private TokenMint next = null!;
    private OidcServer server = null!;

    public async ValueTask InitializeAsync()
    {
        mint = new TokenMint("one", time, 0);
        next = new TokenMint("two", time, 1);
        server = await OidcServer.StartAsync();
        server.Keys = TokenMint.KeySet(mint);
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        mint.Dispose();
        next.Dispose();
    }

    [Fact]
    public async Task Keys_are_found_by_discovery_and_fetched_once()
    {
        using var prover = Prover(Issuer());
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => Accepted(prover, mint.Token()))));
        server.Asked.Select(asked => asked.Path).ShouldBe(["/.well-known/openid-configuration", "/jwks"]);
    }

    [Fact]
    public async Task A_warmed_prover_asks_nobody_when_the_first_caller_comes()
    {
        using var prover = Prover(Issuer());
        await prover.WarmAsync(TestContext.Current.CancellationToken);
        var asked = server.Asked.Count;
        await Accepted(prover, mint.Token());
        server.Asked.Count.ShouldBe(asked);
    }

    [Fact]
    public async Task A_rotated_key_is_found_when_a_token_names_it_but_forged_names_do_not_hammer_the_server()
    {
        using var prover = Prover(Issuer());
        await Accepted(prover, mint.Token());
        await Refused(prover, next.Token(), ProofFailure.UnknownKey);
        server.Asked.Count.ShouldBe(2);

        server.Keys = TokenMint.KeySet(mint, next);
        time.Advance(TimeSpan.FromSeconds(10));
        await Accepted(prover, next.Token());
        server.Asked.Count.ShouldBe(4);

        for (var i = 0; i < 20; i++)
            await Refused(prover, mint.Token(header: header => header["kid"] = $"forged-{i}"), ProofFailure.UnknownKey);
        server.Asked.Count.ShouldBe(4);
    }

    [Fact]
    public async Task The_last_good_keys_serve_on_when_the_server_is_down_for_as_long_as_is_configured_and_through_a_reload()
    {
        var lasting = Issuer() with { KeysGoodFor = TimeSpan.FromHours(6) };
        var catalog = new FixedCatalog(lasting);
        using var prover = new CallerProver(catalog, new(new()), time, NullLogger<CallerProver>.Instance);
        await Accepted(prover, mint.Token());
        server.Down = true;
        time.Advance(TimeSpan.FromHours(5));
        await Accepted(prover, mint.Token());
        catalog.Swap(lasting with { ClockSkew = TimeSpan.FromSeconds(1) });
        await Accepted(prover, mint.Token());
        time.Advance(TimeSpan.FromHours(1));
        await Refused(prover, mint.Token(), ProofFailure.KeysUnavailable);
    }

    [Fact]
    public async Task A_key_is_believed_a_minute_at_most_that_its_server_does_not_confirm()
    {
        using var prover = Prover(Issuer());
        var early = mint.Token();
        await Accepted(prover, early);
        server.Down = true;
        time.Advance(TimeSpan.FromSeconds(45));
        var late = mint.Token();
        await Accepted(prover, late);

        // Neither the keys nor what was proven by them outlive the minute, however lately it was proven.
        time.Advance(TimeSpan.FromSeconds(17));
        await Refused(prover, early, ProofFailure.KeysUnavailable);
        await Refused(prover, late, ProofFailure.KeysUnavailable);
        await Refused(prover, mint.Token(), ProofFailure.KeysUnavailable);

        server.Down = false;
        time.Advance(TimeSpan.FromSeconds(2));
        await Accepted(prover, late);
    }

    [Fact]
    public async Task A_key_that_left_the_set_is_out_within_a_minute_also_of_tokens_proven_a_moment_before()
    {
        using var prover = Prover(Issuer());
        await Accepted(prover, mint.Token());
        server.Keys = TokenMint.KeySet(next);
        time.Advance(TimeSpan.FromSeconds(29));
        var proven = mint.Token();
        await Accepted(prover, proven);
        time.Advance(TimeSpan.FromSeconds(31));
        await Refused(prover, proven, ProofFailure.UnknownKey);
    }

    [Fact]
    public async Task A_key_the_server_dropped_is_not_believed_once_the_keys_are_old()
    {
        using var prover = Prover(Issuer());
        await Accepted(prover, mint.Token());
        server.Keys = TokenMint.KeySet(next);
        time.Advance(TimeSpan.FromHours(1));
        await Refused(prover, mint.Token(), ProofFailure.UnknownKey);
    }

    [Fact]
    public async Task A_server_that_never_answered_makes_a_token_unproven_for_now_and_heals()
    {
        server.Down = true;
        using var prover = Prover(Issuer());
        await Refused(prover, mint.Token(), ProofFailure.KeysUnavailable);
        await Refused(prover, mint.Token(), ProofFailure.KeysUnavailable);
        server.Asked.Count.ShouldBe(1);

        server.Down = false;
        time.Advance(TimeSpan.FromSeconds(2));
        await Accepted(prover, mint.Token());
    }

    [Fact]
    public async Task Without_a_configured_issuer_the_discovery_document_says_what_iss_must_be()
    {
        server.Issuer = "https://other";
        using var prover = Prover(Issuer());
        await Refused(prover, mint.Token(), ProofFailure.UnknownIssuer);
        await Accepted(prover, mint.Token(payload => payload["iss"] = "https://other"));
        using var stated = Prover(Issuer() with { Issuer = TokenMint.Issuer });
        await Accepted(stated, mint.Token());
    }

    [Fact]
    public async Task Keys_are_not_fetched_in_the_clear_from_another_machine()
    {
        server.JwksUri = "http://192.0.2.1/jwks";
        (await Should.ThrowAsync<InvalidDataException>(() => KeyFetching.FetchAsync(Issuer(), time))).Message.ShouldContain("has no https jwks_uri", customMessage: "nobody is asked");
        using var prover = Prover(Issuer());
        await Refused(prover, mint.Token(), ProofFailure.KeysUnavailable);
    }

    [Fact]
    public async Task The_bearer_token_of_the_file_is_sent_as_it_is_now()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "first\n");
            using var prover = Prover(Issuer() with { BearerTokenFile = file });
            await Accepted(prover, mint.Token());
            File.WriteAllText(file, "second\n");
            time.Advance(TimeSpan.FromHours(1));
            await Accepted(prover, mint.Token());
            server.Asked.Select(asked => asked.Authorization).ShouldBe(["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task The_bearer_token_goes_to_the_authority_alone_whatever_host_its_document_names()
    {
        await using var elsewhere = await OidcServer.StartAsync();
        elsewhere.Keys = TokenMint.KeySet(mint);
        server.JwksUri = new Uri(elsewhere.Authority, "/jwks").AbsoluteUri;
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "of the broker");
            using var prover = Prover(Issuer() with { BearerTokenFile = file });
            await Accepted(prover, mint.Token());
            server.Asked.Select(asked => asked.Authorization).ShouldBe(["Bearer of the broker"]);
            elsewhere.Asked.ShouldHaveSingleItem().Authorization.ShouldBeNull();
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_private_authority_is_believed_only_with_its_CaFile()
    {
        using var certificate = OidcServer.Certificate();
        await using var secure = await OidcServer.StartAsync(certificate);
        secure.Keys = TokenMint.KeySet(mint);
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, certificate.ExportCertificatePem());
            using var trusting = Prover(Issuer() with { Authority = secure.Authority, CaFile = file });
            await Accepted(trusting, mint.Token());
            using var strict = Prover(Issuer() with { Authority = secure.Authority });
            await Refused(strict, mint.Token(), ProofFailure.KeysUnavailable);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task The_local_identity_server_and_the_prover_agree()
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: TestContext.Current.CancellationToken);
        using var prover = new CallerProver(
            new FixedCatalog(new IdentityIssuer { Name = "local", Authority = identity.Authority, Audience = "broker" }),
            new(new()), TimeProvider.System, NullLogger<CallerProver>.Instance);
        var proof = await Prove(prover, identity.PodToken(7));
        proof.Caller.ShouldNotBeNull().PodUid.ShouldBe(LocalIdentity.PodUid(7));
        (await Prove(prover, identity.OperatorToken())).Caller!.Claims["groups"].ShouldBe([LocalIdentity.Operators]);
    }

    private IdentityIssuer Issuer() => new() { Name = "kubernetes", Authority = server.Authority, Audience = "broker" };

    private CallerProver Prover(IdentityIssuer issuer) => new(new FixedCatalog(issuer), new(new()), time, NullLogger<CallerProver>.Instance);

    private static async Task<Proof> Prove(CallerProver prover, string token) =>
        await prover.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken);

    private static async Task Accepted(CallerProver prover, string token) => (await Prove(prover, token)).Failure.ShouldBeNull();

    private static async Task Refused(CallerProver prover, string token, ProofFailure failure) => (await Prove(prover, token)).Failure.ShouldBe(failure);
}
