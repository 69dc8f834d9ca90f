using System.Net;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication.Kubernetes;

public sealed class TokenReviewTests : IAsyncLifetime
{
    private const string PodUid = ServedKubernetes.PodUid;

    private readonly string directory = Directory.CreateTempSubdirectory("broker-review-").FullName;
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private TokenMint mint = null!;
    private ServedKubernetes cluster = null!;
    private CallerProver prover = null!;

    public async ValueTask InitializeAsync()
    {
        mint = new TokenMint("any", time, 0);
        cluster = await ServedKubernetes.StartAsync(directory);
        cluster.Keys = TokenMint.KeySet(mint);
        prover = Prover(Definition());
    }

    public async ValueTask DisposeAsync()
    {
        prover.Dispose();
        await cluster.DisposeAsync();
        mint.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_token_the_cluster_takes_proves_its_pod_with_all_that_it_carries()
    {
        var token = PodToken(payload => payload["kubernetes.io"]!["node"] = new JsonObject { ["name"] = "node-7", ["uid"] = "n" });
        cluster.Recordings[token] = "06-review-bound-to-pod";

        var caller = (await ProveAsync(token)).Caller.ShouldNotBeNull();
        (caller.Namespace, caller.ServiceAccount, caller.Pod, caller.PodUid, caller.Node).ShouldBe(("shop", "orders", "orders-1", PodUid, "node-7"));
        var asked = cluster.Asked.ShouldHaveSingleItem();
        asked["spec"]!["audiences"]!.AsArray().ShouldHaveSingleItem()!.GetValue<string>().ShouldBe("broker");
        asked["spec"]!["token"]!.GetValue<string>().ShouldBe(token);
    }

    [Fact]
    public async Task A_deleted_pods_token_stops_working_after_the_seconds_an_answer_is_believed()
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        (await ProveAsync(token)).Caller.ShouldNotBeNull();

        cluster.Recordings[token] = "10-review-after-pod-deleted";
        time.Advance(TimeSpan.FromSeconds(4));
        (await ProveAsync(token)).Caller.ShouldNotBeNull("the answer is five seconds old at most");
        time.Advance(TimeSpan.FromSeconds(1));
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
        cluster.Asked.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("05-review-wrong-audience")]
    [InlineData("07-review-garbage")]
    [InlineData("10-review-after-pod-deleted")]
    [InlineData("03-review-default-audience")] // authentic, but for the API server and not for us
    [InlineData("04-review-broker-audience")] // authentic and for us, but of no pod, while the token names one
    public async Task What_the_cluster_does_not_take_for_this_pod_and_audience_proves_nobody(string recording)
    {
        var token = PodToken();
        cluster.Recordings[token] = recording;
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
    }

    [Theory]
    [InlineData(null)] // a cluster that knows no audiences
    [InlineData("another")]
    public async Task A_review_that_does_not_say_that_the_token_is_for_the_broker_proves_nobody(string? audience)
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        cluster.Change = body => body["status"]!["audiences"] = audience is null ? null : new JsonArray(audience);
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
    }

    [Fact]
    public async Task A_token_that_says_another_account_than_the_cluster_proves_nobody()
    {
        var token = PodToken(payload => payload["sub"] = "system:serviceaccount:shop:admin");
        cluster.Recordings[token] = "06-review-bound-to-pod";
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
    }

    [Fact]
    public async Task What_can_be_seen_to_be_wrong_is_never_sent_to_the_cluster()
    {
        (await ProveAsync(PodToken(payload => payload["iss"] = "https://elsewhere"))).Failure.ShouldBe(ProofFailure.UnknownIssuer);
        (await ProveAsync(PodToken(payload => payload["aud"] = "other"))).Failure.ShouldBe(ProofFailure.WrongAudience);
        (await ProveAsync(PodToken(payload => payload["exp"] = 1))).Failure.ShouldBe(ProofFailure.Expired);
        (await ProveAsync(mint.Unsigned("none"))).Failure.ShouldBe(ProofFailure.AlgorithmNotAllowed);
        (await ProveAsync("not.a.token")).Failure.ShouldBe(ProofFailure.Malformed);
        cluster.Asked.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_not_signed_by_the_clusters_keys_is_never_sent_to_it()
    {
        using var thief = new TokenMint("any", time, 1);
        cluster.Keys = TokenMint.KeySet(mint);
        await prover.WarmAsync(TestContext.Current.CancellationToken);
        var good = PodToken();
        cluster.Recordings[good] = "06-review-bound-to-pod";
        for (var i = 0; i < 50; i++) (await ProveAsync(thief.Token())).Failure.ShouldBe(ProofFailure.BadSignature);
        cluster.Asked.ShouldBeEmpty();
        (await ProveAsync(good)).Caller.ShouldNotBeNull("the cluster still has the last word");
        cluster.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_names_a_key_that_the_cluster_does_not_have_is_never_sent_to_it()
    {
        using var thief = new TokenMint("made-up", time, 1);
        cluster.Keys = TokenMint.KeySet(mint);
        await prover.WarmAsync(TestContext.Current.CancellationToken);

        for (var one = 0; one < 50; one++)
            (await ProveAsync(thief.Token(payload => payload["sub"] = $"system:serviceaccount:made:up-{one}"))).Failure.ShouldBe(ProofFailure.UnknownKey);

        cluster.Asked.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_key_that_the_cluster_has_since_is_looked_for_before_anything_is_refused()
    {
        using var next = new TokenMint("next", time, 1);
        cluster.Keys = TokenMint.KeySet(mint);
        await prover.WarmAsync(TestContext.Current.CancellationToken);
        cluster.Keys = TokenMint.KeySet(mint, next);
        time.Advance(TimeSpan.FromSeconds(10));
        var token = next.Token(payload => payload["kubernetes.io"]!["pod"]!["uid"] = ServedKubernetes.PodUid);
        cluster.Recordings[token] = "06-review-bound-to-pod";

        (await ProveAsync(token)).Failure.ShouldNotBe(ProofFailure.UnknownKey);
        cluster.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_flood_of_tokens_that_need_a_review_leaves_places_for_callers_with_valid_signatures()
    {
        using var unknown = new TokenMint("unknown", time, 1);
        cluster.Keys = TokenMint.KeySet(mint);
        await prover.WarmAsync(TestContext.Current.CancellationToken);

        // From now on its keys cannot be read: it may have another one since.
        cluster.Broken = HttpStatusCode.Forbidden;
        time.Advance(TimeSpan.FromSeconds(11));
        (await ProveAsync(unknown.Token())).Failure.ShouldNotBeNull();
        cluster.Broken = null;
        cluster.Asked.Clear();
        var held = new TaskCompletionSource();
        cluster.Hold = held.Task;
        var flood = Enumerable.Range(0, 200).Select(i => ProveAsync(unknown.Token(payload => payload["sub"] = $"somebody-{i}"))).ToList();
        await Eventually.HoldsAsync(() => Task.FromResult(cluster.Asked.Count == 8), "the flood has its places", TestContext.Current.CancellationToken);

        cluster.Hold = Task.CompletedTask;
        var good = PodToken();
        cluster.Recordings[good] = "06-review-bound-to-pod";
        (await ProveAsync(good)).Caller.ShouldNotBeNull();
        held.SetResult();
        (await Task.WhenAll(flood)).ShouldAllBe(proof => proof.Failure == ProofFailure.ReviewRefused);
    }

    [Theory]
    [InlineData("another", 2)]
    [InlineData(PodUid, 2)]
    [InlineData(PodUid, 0)]
    public async Task A_review_that_names_two_pods_or_none_where_the_token_names_one_proves_nobody(string second, int pods)
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        cluster.Change = body => body["status"]!["user"]!["extra"]!["authentication.kubernetes.io/pod-uid"] =
            pods == 0 ? new JsonArray() : new JsonArray(PodUid, second);
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"status\":null}")]
    [InlineData("{\"kind\":\"Status\",\"status\":\"Failure\"}")]
    [InlineData("{\"status\":7}")]
    [InlineData("not JSON")]
    public async Task An_answer_that_is_no_review_is_no_verdict_and_no_fault_of_the_broker(string answer)
    {
        await using var odd = await OidcServer.StartAsync(OidcServer.Certificate());
        odd.Answer = answer;
        using var asking = Prover(Definition() with { TokenReview = new() { Address = odd.Authority, CaFile = cluster.CaFile, TokenFile = cluster.TokenFile } });
        (await asking.ProveAsync(PodToken().AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.ReviewUnavailable);
    }

    [Fact]
    public async Task A_review_whose_pod_is_null_proves_no_pod()
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        cluster.Change = body => body["status"]!["user"]!["extra"]!["authentication.kubernetes.io/pod-uid"] = null;
        (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
    }

    [Fact]
    public async Task A_cluster_whose_authority_is_replaced_is_believed_again_without_a_restart()
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        var right = await File.ReadAllTextAsync(cluster.CaFile, TestContext.Current.CancellationToken);
        using var stranger = OidcServer.Certificate();
        foreach (var wrong in new[] { "", stranger.ExportCertificatePem() })
        {
            await File.WriteAllTextAsync(cluster.CaFile, wrong, TestContext.Current.CancellationToken);
            using var fresh = Prover(Definition());
            (await fresh.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.ReviewUnavailable);

            await File.WriteAllTextAsync(cluster.CaFile, right, TestContext.Current.CancellationToken);
            (await fresh.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.ReviewUnavailable, "found out by this one");
            (await fresh.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task Whoever_is_refused_and_asks_again_at_once_has_a_check_of_its_own()
    {
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var token = PodToken(payload => payload["attempt"] = attempt);
            cluster.Recordings[token] = "10-review-after-pod-deleted";
            (await ProveAsync(token)).Failure.ShouldBe(ProofFailure.ReviewRefused);
            cluster.Recordings[token] = "06-review-bound-to-pod";
            (await ProveAsync(token)).Caller.ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task A_private_address_of_the_keys_is_not_needed_where_the_API_server_has_them()
    {
        // EKS: nobody can reach what the document names, and the broker's token is not for it either.
        cluster.JwksUri = "https://ip-172-16-0-1.eu-west-1.compute.internal:443/openid/v1/jwks";
        cluster.Keys = TokenMint.KeySet(mint);
        using var byKeys = Prover(new IdentityIssuer
        {
            Name = "cluster",
            Authority = cluster.Address,
            Issuer = TokenMint.Issuer,
            Audience = "broker",
            CaFile = cluster.CaFile,
            BearerTokenFile = cluster.TokenFile,
        });
        (await byKeys.ProveAsync(PodToken().AsMemory(), TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull();
        cluster.DocumentsAskedWith.ShouldBe(["Bearer " + ServedKubernetes.BrokersToken, "Bearer " + ServedKubernetes.BrokersToken]);

        using var byAddress = Prover(new IdentityIssuer
        {
            Name = "cluster",
            JwksUri = new Uri(cluster.Address, "/openid/v1/jwks"),
            Issuer = TokenMint.Issuer,
            Audience = "broker",
            CaFile = cluster.CaFile,
            BearerTokenFile = cluster.TokenFile,
        });
        (await byAddress.ProveAsync(PodToken().AsMemory(), TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull("its keys' address alone is enough");
    }

    [Fact]
    public async Task A_cluster_that_cannot_be_asked_is_no_verdict_on_the_token()
    {
        var token = PodToken();
        cluster.Recordings[token] = "06-review-bound-to-pod";
        cluster.Broken = HttpStatusCode.ServiceUnavailable;
        var proof = await ProveAsync(token);
        proof.Failure.ShouldBe(ProofFailure.ReviewUnavailable);
        proof.Failure!.Value.RetryAfter().ShouldNotBeNull();

        cluster.Broken = null;
        (await ProveAsync(token)).Caller.ShouldNotBeNull("a failure is not remembered");
    }

    [Fact]
    public async Task A_broker_that_may_not_review_tokens_is_told_apart_from_a_bad_token()
    {
        await File.WriteAllTextAsync(cluster.TokenFile, "of-an-account-without-rights", TestContext.Current.CancellationToken);
        using var fresh = Prover(Definition());
        (await fresh.ProveAsync(PodToken().AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.ReviewUnavailable);
    }

    [Fact]
    public async Task Each_cluster_of_many_is_asked_in_its_own_way()
    {
        var keys = Path.Combine(directory, "jwks.json");
        await File.WriteAllTextAsync(keys, TokenMint.KeySet(mint), TestContext.Current.CancellationToken);
        var local = new IdentityIssuer { Name = "local", Issuer = "https://other-cluster", JwksFile = keys, Audience = "broker" };
        using var both = Prover(Definition(), local);
        var reviewed = PodToken();
        cluster.Recordings[reviewed] = "06-review-bound-to-pod";

        (await both.ProveAsync(reviewed.AsMemory(), TestContext.Current.CancellationToken)).Caller!.Issuer.ShouldBe("cluster");
        (await both.ProveAsync(PodToken(payload => payload["iss"] = "https://other-cluster").AsMemory(), TestContext.Current.CancellationToken)).Caller!.Issuer.ShouldBe("local");
        cluster.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_clusters_own_discovery_document_and_keys_are_read_through_its_authority_with_the_brokers_token()
    {
        cluster.Keys = null; // the recorded ones
        using var byKeys = Prover(new IdentityIssuer
        {
            Name = "cluster",
            Authority = cluster.Address,
            Audience = "broker",
            CaFile = cluster.CaFile,
            BearerTokenFile = cluster.TokenFile,
        });
        // The recorded key's private half is gone with its cluster; that its name is looked for shows that it was read.
        (await byKeys.ProveAsync(PodToken().AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.UnknownKey);
        var kid = (string)ServedKubernetes.Body("02-jwks")["keys"]![0]!["kid"]!;
        (await byKeys.ProveAsync(mint.Token(header: header => header["kid"] = kid).AsMemory(), TestContext.Current.CancellationToken))
            .Failure.ShouldBe(ProofFailure.BadSignature);
    }

    private string PodToken(Action<JsonObject>? change = null) => mint.Token(payload =>
    {
        payload["kubernetes.io"]!["pod"]!["uid"] = PodUid;
        change?.Invoke(payload);
    });

    private IdentityIssuer Definition() => new()
    {
        Name = "cluster",
        Issuer = TokenMint.Issuer,
        Audience = "broker",
        TokenReview = new() { Address = cluster.Address, CaFile = cluster.CaFile, TokenFile = cluster.TokenFile },
    };

    private CallerProver Prover(params IdentityIssuer[] issuers) => new(new FixedCatalog(issuers), new(new()), time, NullLogger<CallerProver>.Instance);

    private async Task<Proof> ProveAsync(string token) => await prover.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken);
}
