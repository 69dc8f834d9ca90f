using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Limits;
using k8s;
using k8s.Models;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>
/// Asks a cluster whether it accepts a token (TokenReview). The cluster knows what no key can tell: whether the token's pod and
/// service account still exist. The cluster caches its own answers for about ten seconds.
/// </summary>
internal sealed class TokenReviews(IdentityIssuer issuer, TokenReviewSettings settings, TimeProvider time, ILogger log) : IDisposable
{
    private const int MostAtOnce = 32;

    // Anybody can forge tokens whose signature the broker cannot verify itself, so these tokens have their own places.
    private const int MostUnsigned = 8;
    private const int MostWaiting = 1000;
    private const string PodUidKey = "authentication.kubernetes.io/pod-uid";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    private readonly FairLine signed = new(MostAtOnce, MostWaiting, Deadline, time);
    private readonly FairLine unsigned = new(MostUnsigned, MostWaiting, Deadline, time);
    private readonly Lock gate = new();
    private k8s.Kubernetes? client;
    private string? authorities; // the authorities that the client trusts, as they were in the file
    private volatile bool failing;

    /// <summary>Null when the cluster accepts the token and confirms who it says it is; otherwise why not.</summary>
    /// <param name="token">The token.</param>
    /// <param name="said">What the token says about itself, which the cluster must confirm.</param>
    /// <param name="turn">The key by which tokens take turns.</param>
    /// <param name="isSigned">Whether its signature is known to be the cluster's.</param>
    public async Task<ProofFailure?> AskAsync(string token, Caller said, Turn turn, bool isSigned)
    {
        var line = isSigned ? signed : unsigned;
        if (!await line.EnterAsync(turn)) return ProofFailure.TooManyChecks;
        try
        {
            using var deadline = new CancellationTokenSource(Deadline, time);
            var review = await Client().AuthenticationV1.CreateTokenReviewAsync(
                new V1TokenReview { Spec = new V1TokenReviewSpec { Token = token, Audiences = [issuer.Audience] } }, cancellationToken: deadline.Token);
            var status = review?.Status ?? throw new InvalidDataException("its answer is not a TokenReview");
            if (failing) log.ClusterAnswersAgain(issuer.Name);
            failing = false;
            return Judge(status, said);
        }
        catch (Exception e)
        {
            // Whatever it is, from an invalid certificate file to an answer that is not a review, it says nothing about the token.
            if (!failing) log.ClusterNotAsked(issuer.Name, Reason(e));
            failing = true;
            FollowAuthorities();
            return ProofFailure.ReviewUnavailable;
        }
        finally
        {
            line.Leave();
        }
    }

    /// <summary>Whether it matches a definition, so that a reload can keep it.</summary>
    public bool IsFor(IdentityIssuer definition) => issuer.Name == definition.Name && issuer.Audience == definition.Audience && settings == definition.TokenReview;

    public void Dispose()
    {
        lock (gate) client?.Dispose();
    }

    private ProofFailure? Judge(V1TokenReviewStatus status, Caller said)
    {
        // A review answers 201 whatever it finds; a cluster that does not support audiences leaves them out, and is not trusted.
        if (status is not { Authenticated: true, User: { } user } || status.Audiences?.Contains(issuer.Audience) != true) return ProofFailure.ReviewRefused;
        IList<string> podUids = user.Extra is { } extra && extra.TryGetValue(PodUidKey, out var uids) ? uids ?? [] : [];
        return user.Username == said.Subject && (podUids is [var only] ? only == said.PodUid : podUids.Count == 0 && said.PodUid is null)
            ? null
            : ProofFailure.ReviewRefused;
    }

    // Created at first use: the mounted files may appear after the broker has started.
    private k8s.Kubernetes Client()
    {
        lock (gate)
        {
            if (client is not null) return client;
            authorities = File.ReadAllText(settings.CaFile);
            return client = ApiServers.Connect(settings.Address, settings.CaFile, settings.TokenFile);
        }
    }

    // When a cluster's authority is replaced, it is not trusted until a client is created from the new file. Others may still be
    // using the previous client, so it is not disposed of here.
    private void FollowAuthorities()
    {
        lock (gate)
        {
            if (client is null) return;
            try
            {
                if (File.ReadAllText(settings.CaFile) != authorities) client = null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // While the file is being replaced, the previous content is the best there is.
            }
        }
    }

    private static string Reason(Exception e) => ApiServers.WhyNot(e, "the broker's account there may not review tokens; bind it to system:auth-delegator");
}
