using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Api.Fronts.Admission;

/// <summary>
/// The validating admission webhook: <c>POST /kubernetes/admission</c> takes an AdmissionReview of <c>admission.k8s.io/v1</c>
/// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/) and answers within 100 ms. If anything goes
/// wrong, the workload is admitted. It changes nothing, and its answers are not secret: an API server does not authenticate itself to a webhook unless
/// configured to.
/// </summary>
internal static class AdmissionApi
{
    /// <summary>Its path.</summary>
    public const string Path = "/kubernetes/admission";

    private const int MostAtOnce = 16;
    private const int LongestWarning = 250; // clients show 4,096 characters of all warnings together
    private const int MostWarnings = 16;

    private const string Unjudged = "The broker could not determine in time whether this fits into its databases' connections; it is admitted unchecked.";

    // The rest of the 100 ms is for the network.
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMilliseconds(80);
    private static readonly SemaphoreSlim Turns = new(MostAtOnce);

    /// <summary>Maps it, if it is configured.</summary>
    public static void MapAdmission(this IEndpointRouteBuilder app, AdmissionSettings settings)
    {
        if (settings.Mode != AdmissionMode.Off)
            app.MapPost(Path, (HttpContext context, AdmissionDesk desk, BrokerMetrics metrics, TimeProvider time) => AnswerAsync(context, settings.Mode, desk, metrics, time))
                .AllowAnonymous().ExcludeFromDescription();
    }

    private static async Task AnswerAsync(HttpContext context, AdmissionMode mode, AdmissionDesk desk, BrokerMetrics metrics, TimeProvider time)
    {
        using var patience = new CancellationTokenSource(AnswerWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, context.RequestAborted);
        var (findings, outcome) = ((IReadOnlyList<(string Words, bool Certain)>)[], "failed-open");
        var (review, mistake) = await AdmissionReview.ReadAsync(context, time);
        if (review is null)
        {
            context.Response.StatusCode = mistake;
            return;
        }

        if (!review.IsWhole)
        {
            // The workload is admitted: no rollout waits for the broker.
        }
        else if (review.Workload is not { } workload)
        {
            outcome = "";
        }
        else if (Turns.Wait(0, CancellationToken.None))
        {
            try
            {
                (findings, outcome) = (await desk.JudgeAsync(workload, review.Before, either.Token), "");
            }
            catch (Exception e) when (e is LedgerException or OperationCanceledException)
            {
                // Likewise.
            }
            finally
            {
                Turns.Release();
            }
        }

        if (outcome.Length > 0) findings = [(Unjudged, false)];
        var refused = mode == AdmissionMode.Refuse && findings.Any(finding => finding.Certain);
        metrics.Admitted(outcome.Length > 0 ? outcome : refused ? "refused" : findings.Count > 0 ? "warned" : "fits");
        await WriteAsync(context, review.Uid, findings, refused);
    }

    private static async Task WriteAsync(HttpContext context, string uid, IReadOnlyList<(string Words, bool Certain)> findings, bool refused)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("apiVersion", "admission.k8s.io/v1");
        json.WriteString("kind", "AdmissionReview");
        json.WriteStartObject("response");
        json.WriteString("uid", uid);
        json.WriteBoolean("allowed", !refused);
        if (refused)
        {
            json.WriteStartObject("status");
            json.WriteNumber("code", StatusCodes.Status403Forbidden);
            json.WriteString("message", string.Join(' ', findings.Where(finding => finding.Certain).Select(finding => finding.Words)));
            json.WriteEndObject();
        }
        else if (findings.Count > 0)
        {
            json.WriteStartArray("warnings");
            foreach (var part in findings.SelectMany(finding => Parts(finding.Words)).Take(MostWarnings)) json.WriteStringValue(part);
            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    // Clients cut off longer warnings, so the rest goes into the next one.
    private static IEnumerable<string> Parts(string words)
    {
        var start = 0;
        while (words.Length - start > LongestWarning)
        {
            var cut = words.LastIndexOf(' ', start + LongestWarning, LongestWarning);
            if (cut < 0) cut = start + LongestWarning - (char.IsHighSurrogate(words[start + LongestWarning - 1]) ? 1 : 0);
            yield return words[start..cut];
            for (start = cut; start < words.Length && words[start] == ' ';) start++;
        }

        yield return words[start..];
    }
}
