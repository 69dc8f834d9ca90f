using System.Globalization;
using System.Text.Json;
using Broker.Core.Budgets;

namespace Broker.Api.Fronts.Admission;

/// <summary>The properties of a workload that matter to a budget. Anybody can send one: its names and its list of roles are cut.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Pods">Pods that run after the rollout.</param>
/// <param name="Surge">Extra pods during the rollout.</param>
/// <param name="ServiceAccount">Its pods' service account; null: not known.</param>
/// <param name="Roles">The roles that its pods claim, if it says so, each once and <see cref="MostRoles"/> at most; otherwise null.</param>
/// <param name="Connections">The connections that each pod opens, if it says so; otherwise null.</param>
/// <param name="PodsField">The field with the number of pods, for whoever has to change it.</param>
internal sealed record Workload(
    string Kind, string Namespace, string Name, int Pods, int Surge, string? ServiceAccount, IReadOnlyList<string>? Roles, int? Connections, string PodsField)
{
    /// <summary>The annotation of the pod template, or of the object, that lists the roles its pods claim, separated by commas.</summary>
    public const string RoleAnnotation = "broker/role";

    /// <summary>The annotation that says how many connections each pod opens.</summary>
    public const string ConnectionsAnnotation = "broker/connections";

    /// <summary>The most roles that are looked at.</summary>
    public const int MostRoles = 20;

    private const int LongestRole = 63;
    private const int LongestName = 253; // https://kubernetes.io/docs/concepts/overview/working-with-objects/names/

    /// <summary>Whether it names more roles than are looked at.</summary>
    public bool NamesMoreRoles { get; init; }

    /// <summary>
    /// Reads an object of the API; null when it starts no pods, or is not a kind that is judged. Fields that an object leaves out have
    /// the API server's defaults: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
    /// </summary>
    public static Workload? Read(JsonElement thing, string space)
    {
        var kind = Text(thing, "kind");
        var spec = At(thing, "spec");
        return kind switch
        {
            "Deployment" => Of(Int(spec, "replicas") ?? 1, "spec.replicas", At(spec, "template"), SurgeOf(spec)),
            "StatefulSet" => Of(Int(spec, "replicas") ?? 1, "spec.replicas", At(spec, "template")),
            "Job" => OfJob(spec, "spec"),
            "CronJob" when At(spec, "suspend").ValueKind != JsonValueKind.True => OfJob(At(At(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec"),
            "HorizontalPodAutoscaler" => Of(Int(spec, "maxReplicas") ?? 1, "spec.maxReplicas", default),
            _ => null,
        };

        Workload? OfJob(JsonElement job, string path)
        {
            if (At(job, "suspend").ValueKind == JsonValueKind.True) return null;
            var pods = Int(job, "parallelism") ?? 1;
            return Of(Math.Min(pods, Int(job, "completions") ?? pods), path + ".parallelism", At(job, "template"));
        }

        Workload? Of(int pods, string field, JsonElement template, Func<int, int>? surge = null)
        {
            if (pods <= 0) return null;
            var metadata = At(thing, "metadata");
            var (own, pod) = (At(metadata, "annotations"), At(At(template, "metadata"), "annotations"));
            var (roles, more) = RolesIn(Text(pod, RoleAnnotation) ?? Text(own, RoleAnnotation));
            var connections = Text(pod, ConnectionsAnnotation) ?? Text(own, ConnectionsAnnotation);
            return new(
                kind!, Cut(space, LongestName), Cut(Text(metadata, "name") ?? Text(metadata, "generateName") ?? "", LongestName), pods, surge?.Invoke(pods) ?? 0,
                template.ValueKind == JsonValueKind.Object ? Cut(Text(At(template, "spec"), "serviceAccountName") ?? "default", LongestName) : null,
                roles,
                int.TryParse(connections, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null,
                field)
            {
                NamesMoreRoles = more,
            };
        }
    }

    private static Func<int, int> SurgeOf(JsonElement spec) => pods =>
    {
        var strategy = At(spec, "strategy");
        if (Text(strategy, "type") == "Recreate") return 0;
        var surge = At(At(strategy, "rollingUpdate"), "maxSurge");
        return surge.ValueKind switch
        {
            JsonValueKind.Number when surge.TryGetInt32(out var number) => Math.Max(0, number),
            JsonValueKind.String when surge.GetString() is { } text && int.TryParse(text.AsSpan().TrimEnd('%'), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var stated)
                => text.EndsWith('%') ? PlannedRollout.SurgeOf(pods, stated) : Math.Max(0, stated),
            _ => PlannedRollout.SurgeOf(pods),
        };
    };

    // An annotation has room for a hundred thousand names: what is kept of it does not grow with it.
    private static (IReadOnlyList<string>? Roles, bool More) RolesIn(string? annotation)
    {
        if (annotation is null) return (null, false);
        List<string> roles = [];
        foreach (var range in annotation.AsSpan().Split(','))
        {
            var name = annotation.AsSpan()[range].Trim();
            if (name.IsEmpty || Holds(roles, name)) continue;
            if (roles.Count == MostRoles) return (roles, true);
            roles.Add(Cut(name.ToString(), LongestRole));
        }

        return (roles, false);
    }

    private static bool Holds(List<string> roles, ReadOnlySpan<char> name)
    {
        foreach (var role in roles)
        {
            if (name.SequenceEqual(role)) return true;
        }

        return false;
    }

    // With what no name contains behind it, so that it is nothing else's name.
    private static string Cut(string name, int most) => name.Length <= most ? name : $"{name.AsSpan(0, char.IsHighSurrogate(name[most - 1]) ? most - 1 : most)}…";

    private static JsonElement At(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var found) ? found : default;

    private static string? Text(JsonElement parent, string name) => At(parent, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static int? Int(JsonElement parent, string name) => At(parent, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var value) ? value : null;
}
