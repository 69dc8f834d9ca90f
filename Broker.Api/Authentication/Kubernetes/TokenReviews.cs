using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Limits;
using k8s;
using k8s.Models;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>
/// Asks a cluster whether it takes a token (TokenReview). The cluster knows what no key tells: whether the token's pod and
/// service account are still there. It caches its own answers for about ten seconds.
/// </summary>
internal sealed class TokenReviews(IdentityIssuer issuer, TokenReviewSettings settings, TimeProvider time, ILogger log) : IDisposable
{
    private const int MostAtOnce = 32;

    // Anybody can make up tokens whose signature cannot be told here, so they have places of their own.
    private const int MostUnsigned = 8;
    private const int MostWaiting = 1000;
    private const string PodUidKey = "authentication.kubernetes.io/pod-uid";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    private readonly FairLine signed = new(MostAtOnce, MostWaiting, Deadline, time);
    private readonly FairLine unsigned = new(MostUnsigned, MostWaiting, Deadline, time);
    private readonly Lock gate = new();
    private k8s.Kubernetes? client;
    private string? authorities; // what the client believes, as it was in the file
    private volatile bool failing;

    /// <summary>Null: the cluster takes it, and it is who it says it is; else why not.</summary>
    /// <param name="token">The token.</param>
    /// <param name="said">What it says of itself, of which the cluster has to say the same.</param>
    /// <param name="turn">What tokens take turns by.</param>
    /// <param name="isSigned">Whether its signature is known to be the cluster's.</param>
    public async Task<ProofFailure?> AskAsync(string token, Caller said, string turn, bool isSigned)
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
            // Whatever it is, from a file that is no certificate to an answer that is no review, it says nothing of the token.
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

    /// <summary>Whether it is what a definition asks for, so that a reload can keep it.</summary>
    public bool IsFor(IdentityIssuer definition) => issuer.Name == definition.Name && issuer.Audience == definition.Audience && settings == definition.TokenReview;

    public void Dispose()
    {
        lock (gate) client?.Dispose();
    }

    private ProofFailure? Judge(V1TokenReviewStatus status, Caller said)
    {
        // A review answers 201 whatever it finds; a cluster that knows no audiences leaves them out, and is not believed.
        if (status is not { Authenticated: true, User: { } user } || status.Audiences?.Contains(issuer.Audience) != true) return ProofFailure.ReviewRefused;
        IList<string> podUids = user.Extra is { } extra && extra.TryGetValue(PodUidKey, out var uids) ? uids ?? [] : [];
        return user.Username == said.Subject && (podUids is [var only] ? only == said.PodUid : podUids.Count == 0 && said.PodUid is null)
            ? null
            : ProofFailure.ReviewRefused;
    }

    // Made at the first need: the mounted files may come later than the broker.
    private k8s.Kubernetes Client()
    {
        lock (gate)
        {
            if (client is not null) return client;
            authorities = File.ReadAllText(settings.CaFile);
            return client = ApiServers.Connect(settings.Address, settings.CaFile, settings.TokenFile);
        }
    }

    // A cluster whose authority is replaced is not believed until the file that a client was made of is read again. Others may still be
    // asking with the client from before, so that it is not disposed of here.
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
                // While it is being replaced there is nothing better than what there was.
            }
        }
    }

    private static string Reason(Exception e) => ApiServers.WhyNot(e, "the broker's account there may not review tokens; bind it to system:auth-delegator");
}
