using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Shouldly;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>
/// What is shipped for Kubernetes is held against the schemas of the oldest version that it is for: TypeScript reads each object as the type
/// that <c>kubernetes-types</c> made of that version's OpenAPI document, and refuses a field that it does not know or that is missing. What a
/// newer one knows, the strict reader of <see cref="OverlayTests"/> says.
/// </summary>
public sealed class SchemaTests
{
    private const string Folder = "Deployment/Schemas";
    private const string Oldest = "1.30";

    // Groups of other programs and of add-ons, which are not in Kubernetes' own document.
    private static readonly string[] Foreign =
    [
        "cert-manager.io", "cilium.io", "monitoring.coreos.com", "secrets.hashicorp.com", "external-secrets.io", "generators.external-secrets.io", "secrets-store.csi.x-k8s.io",
    ];

    [Fact]
    public async Task The_oldest_Kubernetes_knows_everything_that_is_shipped()
    {
        var objects = new List<(string From, JsonObject Value)>();
        foreach (var built in Directory.GetFiles(Repository.PathOf("k8s"), "kustomization.yaml", SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(file)!).Where(IsWhole))
            objects.AddRange(Objects(built, await Programs.KustomizeAsync(built)));
        foreach (var file in Directory.GetFiles(Repository.PathOf("k8s/consumers"), "*.yaml").Concat(Directory.GetFiles(Repository.PathOf("k8s/examples"), "*.yaml")))
            objects.AddRange(Objects(file, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)));

        objects.Count.ShouldBeGreaterThan(90);
        await CheckAsync("shipped", [.. objects]);
    }

    // All in one run: most of what one takes is reading the types.
    [Fact]
    public async Task What_it_does_not_know_or_misses_is_found()
    {
        (JsonObject Spec, string Says)[] wrong =
        [
            (Spec("replica", 1), "'\"replica\"' does not exist in type 'DeploymentSpec'"),
            (Spec("replicas", "1"), "Type 'string' is not assignable to type 'number'"),
            (Spec("selector", null), "Property 'selector' is missing"),
        ];

        var refused = await Should.ThrowAsync<InvalidOperationException>(() => CheckAsync(
            "wrong", [.. wrong.Select(static one => ("a test", new JsonObject { ["apiVersion"] = "apps/v1", ["kind"] = "Deployment", ["metadata"] = new JsonObject(), ["spec"] = one.Spec }))]));

        // Of each file(line,column): what is wrong there; each object has the second of two lines.
        var found = refused.Message.Split("manifests-wrong.mts(")[1..];
        found.Length.ShouldBe(wrong.Length, refused.Message);
        foreach (var (index, one) in wrong.Index())
        {
            found[index].ShouldStartWith($"{(index + 1) * 2},");
            found[index].ShouldContain(one.Says);
        }

        static JsonObject Spec(string field, JsonNode? value)
        {
            var spec = JsonNode.Parse("""{ "selector": { "matchLabels": { "app": "a" } }, "template": {} }""")!.AsObject();
            spec.Remove(field);
            if (value is not null) spec[field] = value;
            return spec;
        }
    }

    // A component is part of an overlay.
    private static bool IsWhole(string directory) => !directory.Contains("/components/", StringComparison.Ordinal);

    private static async Task CheckAsync(string name, (string From, JsonObject Value)[] objects)
    {
        await NpmPackages.InstallAsync(Folder);
        var text = new StringBuilder();
        foreach (var (index, (from, value)) in objects.Index())
        {
            var (module, kind) = (ModuleOf((string)value["apiVersion"]!), (string)value["kind"]!);
            text.AppendLine(CultureInfo.InvariantCulture, $"// {from}\nexport const object{index}: import('kubernetes-{Oldest}/{module}').{kind} = {Known(value).ToJsonString()};");
        }

        var file = $"manifests-{name}.mts";
        await File.WriteAllTextAsync(Path.Combine(TestProgram.Folder(Folder), file), text.ToString(), TestContext.Current.CancellationToken);
        await TestProgram.RunAsync(
            "node", ["node_modules/typescript/bin/tsc", "--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", file],
            "apt-get install nodejs npm", Folder);
    }

    // The package leaves out two fields of a webhook's rules, which Kubernetes' document has.
    private static JsonObject Known(JsonObject value)
    {
        foreach (var rule in value["webhooks"]?.AsArray().SelectMany(static webhook => webhook!["rules"]!.AsArray()) ?? [])
        {
            rule!.AsObject().Remove("resources");
            rule.AsObject().Remove("scope");
        }

        return value;
    }

    private static string ModuleOf(string apiVersion) =>
        apiVersion.Split('/') is [var group, var version] ? $"{group.Split('.')[0]}/{version}" : $"core/{apiVersion}";

    private static IEnumerable<(string From, JsonObject Value)> Objects(string from, string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        return yaml.Documents.Select(static document => Json(document.RootNode)).OfType<JsonObject>()
            .Where(static value => value.ContainsKey("kind") && !Foreign.Contains(((string)value["apiVersion"]!).Split('/')[0]))
            .Select(value => (Path.GetRelativePath(Repository.PathOf("k8s"), from), value));
    }

    // As YAML's JSON schema reads it: what is quoted is text.
    private static JsonNode? Json(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(static pair => KeyValuePair.Create(pair.Key.ToString(), Json(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(Json)]),
        YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" or "false" } flag => flag.Value == "true",
        YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "null" or "~" } => null,
        YamlScalarNode { Style: ScalarStyle.Plain } plain when long.TryParse(plain.Value, CultureInfo.InvariantCulture, out var number) => number,
        _ => ((YamlScalarNode)node).Value,
    };
}
