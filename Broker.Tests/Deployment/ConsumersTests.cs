using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Tests.Identity;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Configuration;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>What consumers are attached with goes together with the broker's own manifests, its configuration and its addresses.</summary>
public sealed partial class ConsumersTests
{
    private const string Folder = "k8s/consumers";

    // Kinds of other programs, each with what it cannot do without.
    private static readonly Dictionary<string, string[]> Foreign = new(StringComparer.Ordinal)
    {
        ["VaultConnection"] = ["address", "caCertSecretRef"],
        ["VaultAuth"] = ["vaultConnectionRef", "method", "mount", "kubernetes"],
        ["VaultDynamicSecret"] = ["path"],
        ["SecretStore"] = ["provider"],
        ["ExternalSecret"] = ["refreshInterval", "target", "dataFrom"],
        ["SecretProviderClass"] = ["provider", "parameters"],
    };

    private static readonly CatalogReading Configuration = Read();

    public static TheoryData<string> Manifests => [.. Files().Where(static file => !file.Contains("github", StringComparison.Ordinal) && !file.Contains("gitlab", StringComparison.Ordinal))];

    public static TheoryData<string> Pipelines => ["github-actions.yaml", "gitlab-ci.yaml"];

    public static TheoryData<string> Everything => [.. Files()];

    public static TheoryData<string> Logins => [.. ConsumerLogins.ByManifest.Keys];

    [Fact]
    public void The_broker_believes_their_configuration() => Configuration.Errors.ShouldBeEmpty();

    [Theory]
    [MemberData(nameof(Manifests))]
    public void A_manifest_is_read_strictly_and_runs_restricted(string file)
    {
        Documents(file).ShouldNotBeEmpty();
        foreach (var document in Documents(file))
        {
            var kind = document["kind"].ToString();
            ((YamlMappingNode)document["metadata"]).Children.Keys.Select(static key => key.ToString()).ShouldBeSubsetOf(["name", "namespace", "labels", "annotations"]);
            document["metadata"]["namespace"].ToString().ShouldBeOneOf("orders", "argocd");
            if (Foreign.TryGetValue(kind, out var needed))
            {
                foreach (var field in needed) ((YamlMappingNode)document["spec"]).Children.Keys.Select(static key => key.ToString()).ShouldContain(field, kind);
                continue;
            }

            var core = KubernetesYaml.LoadAllFromString(Text(document), null, true).ShouldHaveSingleItem();
            if ((core as V1Deployment)?.Spec.Template.Spec is not { } pod && (pod = (core as V1Pod)?.Spec) is null) continue;
            (pod.SecurityContext.RunAsNonRoot, pod.SecurityContext.SeccompProfile.Type).ShouldBe((true, "RuntimeDefault"));
            foreach (var container in pod.Containers)
            {
                container.SecurityContext.AllowPrivilegeEscalation.ShouldBe(false);
                container.SecurityContext.Capabilities.Drop.ShouldBe(["ALL"]);
                foreach (var mount in container.VolumeMounts ?? []) pod.Volumes.Select(static volume => volume.Name).ShouldContain(mount.Name);
            }

            if (core is V1Deployment deployment) deployment.Spec.Selector.MatchLabels.ShouldBeSubsetOf(deployment.Spec.Template.Metadata.Labels);
        }
    }

    [Theory]
    [MemberData(nameof(Everything))]
    public void A_manifest_names_the_brokers_service_mounts_roles_and_audience_as_they_are(string file)
    {
        var text = Repository.Read($"{Folder}/{file}");
        var service = (V1Service)KubernetesYaml.LoadAllFromString(Repository.Read("k8s/base/service.yaml"))[0];
        service.Spec.Ports.ShouldHaveSingleItem().Port.ShouldBe(443, "an address without a port");
        foreach (Match address in Address().Matches(text)) address.Value.ShouldBe($"https://{service.Name()}.broker.svc");
        Repository.Read("k8s/overlays/production/kustomization.yaml").ShouldContain("\nnamespace: broker\n");

        var (catalog, settings) = (Configuration.Catalog!, Configuration.Catalog!.VaultApi);
        foreach (Match read in Creds().Matches(text)) settings.SecretMounts["database"].Roles.ShouldContainKey(read.Groups[1].Value);

        foreach (Match login in LoginRole().Matches(text)) catalog.Roles.Keys.ShouldContain(login.Groups[1].Value);
        foreach (Match native in NativeRole().Matches(text)) catalog.Roles.Keys.ShouldContain(native.Groups[1].Value);
        foreach (Match audience in Audience().Matches(text)) audience.Groups[1].Value.ShouldBe(catalog.Identity.Issuers["kubernetes"].Audience);
        foreach (var mount in settings.AuthMounts.Values) mount.Type.ShouldBe(AuthMountType.Kubernetes);
    }

    [Theory]
    [MemberData(nameof(Logins))]
    public void Whoever_logs_in_does_so_where_its_token_is_believed_and_may_have_what_it_reads(string file)
    {
        var login = ConsumerLogins.ByManifest[file]();
        var (catalog, settings) = (Configuration.Catalog!, Configuration.Catalog!.VaultApi);

        settings.AuthMounts.ShouldContainKey(login.Mount);
        var issuer = catalog.Identity.Issuers[settings.AuthMounts[login.Mount].Issuer!];
        issuer.Audience.ShouldBe(login.Audience);
        var caller = Callers.Of(issuer.Name, $"system:serviceaccount:{login.Namespace}:{login.Account}", ("kubernetes.io/namespace", login.Namespace), ("kubernetes.io/serviceaccount/name", login.Account));
        catalog.Roles[login.Role].MayBeHadBy(caller).ShouldBeTrue($"{login.Namespace}/{login.Account} logs in as {login.Role}");
        login.Read.Split("/creds/").ShouldBe(["database", login.Role]);
        catalog.Roles[settings.SecretMounts["database"].Roles[login.Role].Role].MayBeHadBy(caller).ShouldBeTrue($"{login.Namespace}/{login.Account} reads {login.Read}");
    }

    /// <summary>The others speak the broker's own API, or to nobody.</summary>
    [Fact]
    public void The_login_of_each_manifest_that_has_one_is_tried() =>
        Files().Where(static file => Repository.Read($"{Folder}/{file}").Contains("creds/", StringComparison.Ordinal)).ShouldBe(ConsumerLogins.ByManifest.Keys, ignoreOrder: true);

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void A_pipeline_asks_for_a_role_that_its_issuer_may_have(string file)
    {
        var text = Repository.Read($"{Folder}/{file}");
        var issuer = file[..6];
        var role = Configuration.Catalog!.Roles[PipelineRole().Match(text).Groups[1].Value];
        role.Allow.ShouldContain(rule => rule.Issuer == issuer && rule.Claims.Count > 1, "a repository alone lets every branch have it");
        text.ShouldContain("/api/v1/sessions\"");
        Configuration.Catalog.Identity.Issuers[issuer].Sessions.ShouldBeTrue("its token is exchanged for a session");
        text.ShouldContain("--request DELETE \"$BROKER/api/v1/sessions/");
        Documents(file).ShouldHaveSingleItem();
    }

    [Fact]
    public void Each_has_a_page_and_each_page_leads_to_files_that_are_there()
    {
        var index = Repository.Read("docs/consumers.md");
        var pages = Directory.GetFiles(Repository.PathOf("docs/consumers"), "*.md").Select(static page => Path.GetFileName(page)).ToArray();
        foreach (var page in pages) index.ShouldContain($"(consumers/{page})");
        var all = string.Concat(pages.Select(static page => Repository.Read($"docs/consumers/{page}")));
        foreach (var file in Files()) all.ShouldContain($"(../../{Folder}/{file})");
        foreach (var page in pages.Select(static page => $"docs/consumers/{page}").Append("docs/consumers.md"))
        {
            foreach (Match link in Link().Matches(Repository.Read(page)))
            {
                var target = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Repository.PathOf(page))!, link.Groups[1].Value));
                (File.Exists(target) || Directory.Exists(target)).ShouldBeTrue($"{page} leads to {link.Groups[1].Value}");
            }
        }
    }

    private static IEnumerable<string> Files() =>
        Directory.GetFiles(Repository.PathOf(Folder), "*.yaml").Select(static file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    private static IReadOnlyList<YamlNode> Documents(string file)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read($"{Folder}/{file}")));
        return [.. yaml.Documents.Select(static document => document.RootNode)];
    }

    private static string Text(YamlNode node)
    {
        using var text = new StringWriter();
        new YamlStream(new YamlDocument(node)).Save(text, assignAnchors: false);
        return text.ToString().TrimEnd().TrimEnd('.');
    }

    private static CatalogReading Read()
    {
        var directory = Directory.CreateTempSubdirectory("broker-consumers-").FullName;
        try
        {
            var json = Repository.Read($"{Folder}/broker.json");
            foreach (Match file in Mounted().Matches(json))
            {
                var path = directory + file.Groups[1].Value;
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllText(path, OverlayTests.ContentOf(path));
            }

            using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(Mounted().Replace(json, $"\"{directory}$1\"")));
            return CatalogReader.Read(new ConfigurationBuilder().AddJsonStream(stream).Build());
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [GeneratedRegex("\"(/(?:etc|var)/[^\"]+)\"")]
    private static partial Regex Mounted();

    [GeneratedRegex(@"https://broker\.[a-z.]*svc(:\d+)?")]
    private static partial Regex Address();

    [GeneratedRegex(@"(?:database/)?creds/([a-z-]+)")]
    private static partial Regex Creds();

    [GeneratedRegex(@"(?:\brole|vault-role|roleName|AVP_K8S_ROLE): ([a-z-]+)")]
    private static partial Regex LoginRole();

    [GeneratedRegex("/api/v1/roles/([a-z-]+)/")]
    private static partial Regex NativeRole();

    [GeneratedRegex(@"audiences?: \[?([a-z]+)")]
    private static partial Regex Audience();

    [GeneratedRegex("\"roles\": \\[\"([a-z-]+)\"\\]")]
    private static partial Regex PipelineRole();

    [GeneratedRegex(@"\]\(([^)#:]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
