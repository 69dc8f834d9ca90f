using System.Buffers.Text;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

public sealed class CallerProverTests : IDisposable
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly string keys = Path.GetTempFileName();
    private readonly TokenMint mint;
    private readonly TokenMint foreign;
    private readonly FixedCatalog catalog;
    private readonly CallerProver prover;

    public CallerProverTests()
    {
        mint = new TokenMint("one", time, 0);
        foreign = new TokenMint("one", time, 1);
        File.WriteAllText(keys, TokenMint.KeySet(mint));
        catalog = new FixedCatalog(FromFile());
        prover = new CallerProver(catalog, new(new()), time, NullLogger<CallerProver>.Instance);
    }

    public void Dispose()
    {
        prover.Dispose();
        mint.Dispose();
        foreign.Dispose();
        File.Delete(keys);
    }

    [Fact]
    public async Task A_good_token_proves_its_pod()
    {
        var caller = (await Prove(mint.Token(payload =>
        {
            payload["groups"] = new JsonArray("a", "b");
            payload["level"] = 3;
            payload["admin"] = false;
            payload["nothing"] = null;
        }))).Caller.ShouldNotBeNull();

        caller.Issuer.ShouldBe("kubernetes");
        caller.Subject.ShouldBe("system:serviceaccount:shop:orders");
        caller.PodUid.ShouldBe("uid-1");
        caller.DisplayName.ShouldBe("shop/orders-1");
        caller.ExpiresAt.ShouldBe(time.GetUtcNow().AddHours(1));
        caller.Claims["kubernetes.io/serviceaccount/name"].ShouldBe(["orders"]);
        caller.Claims["groups"].ShouldBe(["a", "b"]);
        caller.Claims["level"].ShouldBe(["3"]);
        caller.Claims["admin"].ShouldBe(["false"]);
        caller.Claims.Contains("nothing").ShouldBeFalse();
    }

    [Fact]
    public async Task No_token_proves_nobody() => await Refused("", ProofFailure.NoToken);

    [Fact]
    public async Task An_expired_token_proves_nobody()
    {
        await Refused(mint.Token(payload => payload["exp"] = Unix(-31)), ProofFailure.Expired);
        await Accepted(mint.Token(payload => payload["exp"] = Unix(-29)));
    }

    [Fact]
    public async Task A_token_of_the_future_proves_nobody()
    {
        await Refused(mint.Token(payload => payload["nbf"] = Unix(31)), ProofFailure.NotYetValid);
        await Accepted(mint.Token(payload => payload["nbf"] = Unix(29)));
    }

    [Fact]
    public async Task A_token_without_an_end_proves_nobody() =>
        await Refused(mint.Token(payload => payload.Remove("exp")), ProofFailure.NoExpiry);

    [Fact]
    public async Task A_token_signed_with_a_foreign_key_of_the_same_name_proves_nobody() =>
        await Refused(foreign.Token(), ProofFailure.BadSignature);

    [Fact]
    public async Task A_token_changed_after_signing_proves_nobody()
    {
        var (good, other) = (mint.Token().Split('.'), mint.Token(payload => payload["sub"] = "admin").Split('.'));
        await Refused($"{good[0]}.{other[1]}.{good[2]}", ProofFailure.BadSignature);
    }

    [Theory]
    [InlineData("\"other\"")]
    [InlineData("[\"other\", \"Broker\"]")]
    [InlineData("[]")]
    public async Task A_token_for_somebody_else_proves_nobody(string audience) =>
        await Refused(mint.Token(payload => payload["aud"] = JsonNode.Parse(audience)), ProofFailure.WrongAudience);

    [Fact]
    public async Task A_token_without_audience_proves_nobody() =>
        await Refused(mint.Token(payload => payload.Remove("aud")), ProofFailure.WrongAudience);

    [Theory]
    [InlineData("https://kubernetes.default.svc/")]
    [InlineData("https://elsewhere")]
    [InlineData("")]
    public async Task A_token_of_another_issuer_proves_nobody(string issuer) =>
        await Refused(mint.Token(payload => payload["iss"] = issuer), ProofFailure.UnknownIssuer);

    [Theory]
    [InlineData("""{"a":{"b":"\ud800"}}""")]
    [InlineData("""{"a":["x","\udc00 y"]}""")]
    [InlineData("""{"a":{"\ud800":1}}""")]
    [InlineData("""{"\ud800":1}""")]
    [InlineData("""{"kubernetes.io":{"pod":{"uid":"\ud800"}}}""")]
    public async Task A_token_with_half_a_letter_in_a_claim_proves_nobody(string claims)
    {
        var good = $$"""{"aud":["broker"],"iss":"{{TokenMint.Issuer}}","sub":"x","exp":{{Unix(60)}},""";
        await Refused(mint.TokenOf(good + claims[1..]), ProofFailure.Malformed);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("")]
    public async Task An_unsigned_token_proves_nobody(string algorithm) =>
        await Refused(mint.Unsigned(algorithm), ProofFailure.AlgorithmNotAllowed);

    [Fact]
    public async Task A_token_signed_by_HMAC_with_the_public_key_proves_nobody() =>
        await Refused(mint.SignedWithThePublicKey(), ProofFailure.AlgorithmNotAllowed);

    [Fact]
    public async Task A_token_that_claims_RS256_and_has_no_signature_proves_nobody()
    {
        (await Prove(mint.Unsigned("RS256"))).Caller.ShouldBeNull();
        var parts = mint.Token().Split('.');
        (await Prove($"{parts[0]}.{parts[1]}")).Failure.ShouldBe(ProofFailure.Malformed);
    }

    [Fact]
    public async Task An_algorithm_that_is_not_listed_proves_nobody()
    {
        catalog.Swap(FromFile() with { Algorithms = ["ES256"] });
        await Refused(mint.Token(), ProofFailure.AlgorithmNotAllowed);
    }

    [Fact]
    public async Task A_token_without_subject_proves_nobody() =>
        await Refused(mint.Token(payload => payload.Remove("sub")), ProofFailure.NoSubject);

    [Fact]
    public async Task A_token_with_a_critical_header_that_we_do_not_know_proves_nobody() =>
        await Refused(mint.Token(header: header => header["crit"] = new JsonArray("x")), ProofFailure.Malformed);

    [Fact]
    public async Task Claims_nested_too_deeply_or_too_many_prove_nobody()
    {
        await Refused(mint.Token(payload =>
        {
            JsonNode inner = "x";
            for (var i = 0; i < 20; i++) inner = new JsonObject { ["a"] = inner };
            payload["deep"] = inner;
        }), ProofFailure.TooManyClaims);
        await Refused(mint.Token(payload => payload["many"] = new JsonArray([.. Enumerable.Range(0, 2000).Select(i => (JsonNode)i)])), ProofFailure.TooManyClaims);
    }

    [Fact]
    public async Task An_oversized_token_is_not_looked_at()
    {
        await Refused(mint.Token(payload => payload["x"] = new string('x', CallerProver.MaxTokenLength)), ProofFailure.TooLong);
        prover.Validations.ShouldBe(0);
    }

    [Fact]
    public async Task Garbage_is_refused_and_never_thrown_at()
    {
        foreach (var garbage in new[] { "a", "a.b.c", "..", "....", "ey.ey.ey", "é.ü.ñ", "\0", "eyJhbGciOiJSUzI1NiJ9.e30.", "eyJhbGciOiJSUzI1NiJ9.W10.AA", "bnVsbA.bnVsbA.AA" })
            (await Prove(garbage)).Caller.ShouldBeNull();
        await Gen.String[Gen.Char["eyJ.abc_-019={}\"é"], 0, 200].SampleAsync(async text => (await Prove(text)).Caller.ShouldBeNull(), iter: 500);
    }

    [Fact]
    public async Task A_good_token_spoilt_in_one_place_proves_nobody()
    {
        var token = mint.Token();
        await Gen.Select(Gen.Int[0, token.Length - 1], Gen.Char["AbCdEf019_-.="]).SampleAsync(async (at, letter) =>
        {
            // The last letter of each part has bits that say nothing; what is spoilt there may still be the same token.
            if (token[at] == letter || at + 1 == token.Length || token[at + 1] == '.') return;
            (await Prove($"{token[..at]}{letter}{token[(at + 1)..]}")).Caller.ShouldBeNull($"{letter} at {at}");
        }, iter: 200);
    }

    [Theory]
    [InlineData("exp", "\"tomorrow\"")]
    [InlineData("exp", "{}")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "null")]
    [InlineData("iss", "[]")]
    [InlineData("sub", "{}")]
    [InlineData("nbf", "\"x\"")]
    public async Task A_claim_of_the_wrong_kind_proves_nobody(string claim, string value) =>
        (await Prove(mint.Token(payload => payload[claim] = JsonNode.Parse(value)))).Caller.ShouldBeNull();

    [Theory]
    [InlineData("\"sub\":\"system:serviceaccount:shop:admin\"")]
    [InlineData("\"kubernetes.io\":{\"namespace\":\"admin\"}")]
    [InlineData("\"extra\":{\"a\":1,\"a\":2}")]
    public async Task A_token_that_says_one_thing_twice_proves_nobody(string again)
    {
        var said = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(mint.Token().Split('.')[1]));
        (await Prove(mint.TokenOf(said))).Caller.ShouldNotBeNull();
        (await Prove(mint.TokenOf($"{{{again},{said[1..]}"))).Caller.ShouldBeNull();
    }

    [Fact]
    public async Task An_end_beyond_all_calendars_is_just_late() => await Accepted(mint.Token(payload => payload["exp"] = 1e17));

    [Fact]
    public async Task Two_clusters_that_call_themselves_the_same_are_told_apart_by_their_keys()
    {
        var other = Path.GetTempFileName();
        try
        {
            File.WriteAllText(other, TokenMint.KeySet(foreign));
            catalog.Swap(FromFile(), FromFile() with { Name = "second", JwksFile = other });
            (await Prove(mint.Token())).Caller!.Issuer.ShouldBe("kubernetes");
            (await Prove(foreign.Token())).Caller!.Issuer.ShouldBe("second");
        }
        finally
        {
            File.Delete(other);
        }
    }

    [Fact]
    public async Task L6_No_failure_says_anything_of_the_token()
    {
        foreach (var failure in Enum.GetValues<ProofFailure>()) failure.Describe().ShouldMatch("^[ !#-\\[\\]-~]+$");
        (await Prove(mint.Token(payload => payload["iss"] = "spy"))).ToString().ShouldNotContain("spy");
    }

    [Theory]
    [InlineData("kubernetes.io/namespace")]
    [InlineData("kubernetes.io/pod/uid")]
    [InlineData("kubernetes.io/serviceaccount/name")]
    public async Task A_claim_whose_name_holds_a_slash_is_not_taken_for_a_nested_one(string claim)
    {
        var caller = (await Prove(mint.Token(payload =>
        {
            payload.Remove("kubernetes.io");
            payload[claim] = "admin";
        }))).Caller.ShouldNotBeNull();
        (caller.Namespace, caller.ServiceAccount, caller.PodUid).ShouldBe((null, null, null));
        caller.Claims[claim].ShouldBeEmpty();
        caller.Claims[claim.Replace("/", "~1", StringComparison.Ordinal)].ShouldBe(["admin"]);
    }

    [Fact]
    public async Task A_claim_without_a_name_is_not_taken_for_the_token_itself()
    {
        var caller = (await Prove(mint.Token(payload =>
        {
            payload.Remove("kubernetes.io");
            payload[""] = new JsonObject { ["role"] = "admin", ["kubernetes.io"] = new JsonObject { ["namespace"] = "prod" } };
        }))).Caller.ShouldNotBeNull();

        (caller.Namespace, caller.Claims.Contains("role")).ShouldBe((null, false));
        caller.Claims["/role"].ShouldBe(["admin"]);
    }

    [Fact]
    public async Task A_claim_named_by_an_address_is_found_by_it()
    {
        const string claim = "https://example.com/roles";
        var caller = (await Prove(mint.Token(payload => payload[claim] = "dba"))).Caller.ShouldNotBeNull();
        new AllowRule("kubernetes", new Dictionary<string, string> { [claim] = "dba" }).Matches(caller).ShouldBeTrue();

        // The same words, nested: {"https:": {"": {"example.com": {"roles": "dba"}}}}.
        var nested = (await Prove(mint.Token(payload => payload["https:"] = new JsonObject { [""] = new JsonObject { ["example.com"] = new JsonObject { ["roles"] = "dba" } } }))).Caller.ShouldNotBeNull();
        new AllowRule("kubernetes", new Dictionary<string, string> { [claim] = "dba" }).Matches(nested).ShouldBeFalse();
    }

    [Fact]
    public async Task N_proofs_of_a_token_cost_one_check()
    {
        var token = mint.Token();
        var proofs = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => Prove(token))));
        proofs.ShouldAllBe(proof => proof.Caller != null);
        await Accepted(token);
        prover.Validations.ShouldBe(1);
    }

    [Fact]
    public async Task A_proven_token_is_forgotten_after_a_minute()
    {
        var token = mint.Token();
        await Accepted(token);
        time.Advance(TimeSpan.FromSeconds(59.9));
        await Accepted(token);
        prover.Validations.ShouldBe(1);
        time.Advance(TimeSpan.FromSeconds(0.2));
        await Accepted(token);
        prover.Validations.ShouldBe(2);
    }

    [Fact]
    public async Task A_proven_token_is_forgotten_at_its_end()
    {
        catalog.Swap(FromFile() with { ClockSkew = TimeSpan.Zero });
        var token = mint.Token(payload => payload["exp"] = Unix(10));
        await Accepted(token);
        time.Advance(TimeSpan.FromSeconds(10));
        await Refused(token, ProofFailure.Expired);
    }

    [Fact]
    public async Task A_swapped_catalog_forgets_what_was_proven()
    {
        var token = mint.Token();
        await Accepted(token);
        catalog.Swap(FromFile() with { Audience = "other" });
        await Refused(token, ProofFailure.WrongAudience);
    }

    [Fact]
    public async Task A_refused_token_is_not_remembered()
    {
        var token = mint.Token(payload => payload["nbf"] = Unix(40));
        await Refused(token, ProofFailure.NotYetValid);
        time.Advance(TimeSpan.FromSeconds(15));
        await Accepted(token);
    }

    [Fact]
    public async Task Swapped_keys_in_the_file_are_followed_with_a_new_name_and_with_the_same()
    {
        using var next = new TokenMint("two", time, 2);
        await Accepted(mint.Token());

        time.Advance(TimeSpan.FromSeconds(2));
        File.WriteAllText(keys, TokenMint.KeySet(next));
        await Accepted(next.Token());
        await Refused(mint.Token(), ProofFailure.UnknownKey);

        time.Advance(TimeSpan.FromSeconds(2));
        File.WriteAllText(keys, TokenMint.KeySet(foreign));
        await Accepted(foreign.Token());
    }

    [Fact]
    public async Task A_key_taken_out_of_the_file_proves_nobody_ten_seconds_later()
    {
        await Accepted(mint.Token());
        File.WriteAllText(keys, TokenMint.KeySet());
        time.Advance(TimeSpan.FromSeconds(11));
        await Refused(mint.Token(), ProofFailure.UnknownKey);
    }

    [Fact]
    public async Task A_broken_key_file_leaves_the_last_good_keys()
    {
        await Accepted(mint.Token());
        File.WriteAllText(keys, "{");
        time.Advance(TimeSpan.FromMinutes(2));
        await Accepted(mint.Token());
    }

    private IdentityIssuer FromFile() => new() { Name = "kubernetes", Issuer = TokenMint.Issuer, JwksFile = keys, Audience = "broker" };

    private long Unix(int seconds) => time.GetUtcNow().AddSeconds(seconds).ToUnixTimeSeconds();

    private async Task<Proof> Prove(string token) => await prover.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken);

    private async Task Accepted(string token) => (await Prove(token)).Failure.ShouldBeNull();

    private async Task Refused(string token, ProofFailure failure) => (await Prove(token)).Failure.ShouldBe(failure);
}
