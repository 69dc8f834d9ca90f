using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Broker.Tests.Authentication.Kubernetes;

/// <summary>Its pods: lists in pages and watches, with what a real API server does to watching clients.</summary>
internal sealed partial class ServedKubernetes
{
    /// <summary>Its pods, by their UIDs; those who watch hear of no change but <see cref="Tell"/>.</summary>
    public ConcurrentDictionary<string, JsonObject> Pods { get; } = new();

    /// <summary>Namespaces that the broker's account has no rights in.</summary>
    public ConcurrentDictionary<string, bool> Forbidden { get; } = new();

    /// <summary>Verbs that it has no rights to, anywhere: <c>list</c>, <c>watch</c>.</summary>
    public ConcurrentDictionary<string, bool> ForbiddenVerbs { get; } = new();

    /// <summary>How many pods it puts into one answer at most, whatever is asked for.</summary>
    public int MostInAPage { get; set; } = 500;

    /// <summary>Answers every list with this instead; null: with the pods.</summary>
    public string? OtherList { get; set; }

    /// <summary>Watches that begin are told that their place is forgotten.</summary>
    public bool ForgetsPlaces { get; set; }

    /// <summary>How often lists were asked for from their beginning.</summary>
    public int Lists => Volatile.Read(ref lists);

    private int lists;

    /// <summary>How often it could not be asked for pods (<see cref="Broken"/>).</summary>
    public int Refusals => Volatile.Read(ref refusals);

    private int refusals;

    /// <summary>How many watch its pods.</summary>
    public int Watchers => watchers.Count;

    private readonly ConcurrentDictionary<Channel<string>, bool> watchers = new();

    /// <summary>A pod as the API server shows it.</summary>
    public static JsonObject Pod(string uid, string phase = "Running", string space = "shop") => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Pod",
        ["metadata"] = new JsonObject { ["name"] = "orders-" + uid, ["namespace"] = space, ["uid"] = uid, ["resourceVersion"] = "7" },
        ["spec"] = new JsonObject { ["serviceAccountName"] = "orders", ["containers"] = new JsonArray() },
        ["status"] = new JsonObject { ["phase"] = phase },
    };

    /// <summary>Tells all who watch of a change (<c>ADDED</c>, <c>MODIFIED</c>, <c>DELETED</c>).</summary>
    public void Tell(string change, JsonObject pod)
    {
        foreach (var watcher in watchers.Keys) watcher.Writer.TryWrite(new JsonObject { ["type"] = change, ["object"] = pod.DeepClone() }.ToJsonString());
    }

    /// <summary>What the API server answers when it refuses.</summary>
    public static JsonObject Status(int code, string reason, string message) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = message,
        ["reason"] = reason,
        ["code"] = code,
    };

    /// <summary>Ends all watches as a server does that was restarted; with a last word where one is given.</summary>
    public void EndWatches(string? lastWord = null)
    {
        foreach (var watcher in watchers.Keys)
        {
            if (lastWord is not null) watcher.Writer.TryWrite(lastWord);
            watcher.Writer.TryComplete();
        }
    }

    /// <summary>Tells all who watch something that is no change of a pod.</summary>
    public void Say(string line)
    {
        foreach (var watcher in watchers.Keys) watcher.Writer.TryWrite(line);
    }

    private async Task PodsAsync(string space, HttpContext context)
    {
        context.Response.ContentType = "application/json";
        var watches = context.Request.Query["watch"] == "true";
        if (Broken is { } status)
        {
            context.Response.StatusCode = (int)status;
            Interlocked.Increment(ref refusals);
            return;
        }

        if (context.Request.Headers.Authorization.ToString() != "Bearer " + BrokersToken || Forbidden.ContainsKey(space) || ForbiddenVerbs.ContainsKey(watches ? "watch" : "list"))
        {
            context.Response.StatusCode = 403;
            await context.Response.WriteAsync(Status(403, "Forbidden", "pods is forbidden: User cannot list resource \"pods\"").ToJsonString());
            return;
        }

        if (!watches)
        {
            await ListAsync(space, context);
            return;
        }

        var changes = Channel.CreateUnbounded<string>();
        if (ForgetsPlaces)
        {
            changes.Writer.TryWrite(Expired());
            changes.Writer.Complete();
        }

        watchers[changes] = true;
        using var until = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        if (int.TryParse(context.Request.Query["timeoutSeconds"], CultureInfo.InvariantCulture, out var seconds)) until.CancelAfter(TimeSpan.FromSeconds(seconds));
        try
        {
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await foreach (var change in changes.Reader.ReadAllAsync(until.Token))
            {
                await context.Response.WriteAsync(change + "\n", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The watcher left, or its time is over.
        }
        finally
        {
            watchers.TryRemove(changes, out _);
        }
    }

    /// <summary>The last word of a watch whose place the server has forgotten (https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses).</summary>
    public static string Expired() =>
        new JsonObject { ["type"] = "ERROR", ["object"] = Status(410, "Expired", "too old resource version: 7 (9)") }.ToJsonString();

    private async Task ListAsync(string space, HttpContext context)
    {
        if (OtherList is { } other)
        {
            await context.Response.WriteAsync(other);
            return;
        }

        var from = int.TryParse(context.Request.Query["continue"], CultureInfo.InvariantCulture, out var place) ? place : 0;
        if (from == 0) Interlocked.Increment(ref lists);
        var most = int.TryParse(context.Request.Query["limit"], CultureInfo.InvariantCulture, out var limit) ? Math.Min(limit, MostInAPage) : MostInAPage;
        var all = Pods.OrderBy(pod => pod.Key, StringComparer.Ordinal).Select(pod => pod.Value).Where(pod => (string?)pod["metadata"]!["namespace"] == space).ToList();
        var metadata = new JsonObject { ["resourceVersion"] = "7" };
        if (from + most < all.Count) (metadata["continue"], metadata["remainingItemCount"]) = ($"{from + most}", all.Count - from - most);
        var items = new JsonArray([.. all.Skip(from).Take(most).Select(pod => pod.DeepClone())]);
        await context.Response.WriteAsync(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "PodList", ["metadata"] = metadata, ["items"] = items }.ToJsonString());
    }
}
