using System.Globalization;
using k8s;
using k8s.Models;
using Shouldly;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>A login as a consumer's manifest has it.</summary>
/// <param name="Mount">Where, behind <c>auth/</c>.</param>
/// <param name="Role">As what.</param>
/// <param name="Namespace">Whose account's token proves it.</param>
/// <param name="Account">That account.</param>
/// <param name="Audience">Whom the token is made for.</param>
/// <param name="Read">What is read then, as <c>database/creds/…</c>.</param>
internal sealed record ConsumerLogin(string Mount, string Role, string Namespace, string Account, string Audience, string Read)
{
    /// <summary>Whether the token names a pod; one that an operator asks the API server for does not.</summary>
    public bool NamesPod { get; init; } = true;

    /// <summary>The headers of each request, where the manifest has any.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>How long the token is asked for.</summary>
    public TimeSpan Lasts { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>The logins of <c>k8s/consumers</c>, each out of the fields that its program reads.</summary>
internal static class ConsumerLogins
{
    /// <summary>Whom a pod's usual token is made for: kubeadm's, kind's and minikube's API servers.</summary>
    public const string ApiServer = "https://kubernetes.default.svc.cluster.local";

    private const string DefaultMount = "kubernetes"; // of all these programs

    public static IReadOnlyDictionary<string, Func<ConsumerLogin>> ByManifest { get; } = new Dictionary<string, Func<ConsumerLogin>>(StringComparer.Ordinal)
    {
        ["argocd-vault-plugin.yaml"] = Plugin,
        ["bank-vaults.yaml"] = BankVaults,
        ["csi.yaml"] = Csi,
        ["external-secrets-generator.yaml"] = ExternalSecrets,
        ["vault-agent-injector.yaml"] = Injector,
        ["vault-secrets-operator.yaml"] = SecretsOperator,
    };

    private static ConsumerLogin Injector()
    {
        var pod = Read<V1Deployment>("vault-agent-injector.yaml");
        var said = pod.Spec.Template.Metadata.Annotations;
        string Of(string name) => said[$"vault.hashicorp.com/{name}"];
        var token = pod.Spec.Template.Spec.Volumes.Single(volume => volume.Name == Of("agent-service-account-token-volume-name"));
        return new(Behind("auth/", Of("auth-path")), Of("role"), pod.Namespace(), pod.Spec.Template.Spec.ServiceAccountName, AudienceOf(token), Of("agent-inject-secret-database"));
    }

    private static ConsumerLogin BankVaults()
    {
        var pod = Read<V1Deployment>("bank-vaults.yaml");
        var said = pod.Spec.Template.Metadata.Annotations;
        string Of(string name) => said[$"vault.security.banzaicloud.io/{name}"];
        pod.Spec.Template.Spec.AutomountServiceAccountToken.ShouldNotBe(false, "it logs in with the usual token");
        var read = pod.Spec.Template.Spec.Containers.Single().Env.Select(static variable => Behind("vault:", variable.Value).Split('#')[0]).Distinct().ShouldHaveSingleItem();
        return new(Of("vault-path"), Of("vault-role"), pod.Namespace(), pod.Spec.Template.Spec.ServiceAccountName, ApiServer, read);
    }

    private static ConsumerLogin Csi()
    {
        var (asked, pod) = (Document("csi.yaml", "SecretProviderClass"), Read<V1Pod>("csi.yaml"));
        pod.Spec.Volumes.Single().Csi.VolumeAttributes["secretProviderClass"].ShouldBe(asked["metadata"]["name"].ToString());
        var said = (YamlMappingNode)asked["spec"]["parameters"];
        var read = Load(said["objects"].ToString()) is YamlSequenceNode objects ? objects.Select(static one => one["secretPath"].ToString()).Distinct().ShouldHaveSingleItem() : "";
        var mount = said.Children.TryGetValue("vaultKubernetesMountPath", out var named) ? named.ToString() : DefaultMount;
        return new(mount, said["roleName"].ToString(), pod.Namespace(), pod.Spec.ServiceAccountName, said["audience"].ToString(), read);
    }

    private static ConsumerLogin ExternalSecrets()
    {
        var generator = Document("external-secrets-generator.yaml", "VaultDynamicSecret");
        var said = generator["spec"]["provider"]["auth"]["kubernetes"];
        var account = said["serviceAccountRef"];
        return new(said["mountPath"].ToString(), said["role"].ToString(), SpaceOf(generator), account["name"].ToString(), account["audiences"][0].ToString(), generator["spec"]["path"].ToString())
        {
            NamesPod = false,
            Headers = HeadersOf(generator["spec"]["provider"]), // external-secrets apis/externalsecrets/v1/secretstore_vault_types.go: of all requests
        };
    }

    private static ConsumerLogin SecretsOperator()
    {
        var (auth, secret) = (Document("vault-secrets-operator.yaml", "VaultAuth"), Document("vault-secrets-operator.yaml", "VaultDynamicSecret"));
        var said = auth["spec"]["kubernetes"];
        return new(auth["spec"]["mount"].ToString(), said["role"].ToString(), SpaceOf(auth), said["serviceAccount"].ToString(), said["audiences"][0].ToString(), $"{secret["spec"]["mount"]}/{secret["spec"]["path"]}")
        {
            NamesPod = false,
            Headers = HeadersOf(Document("vault-secrets-operator.yaml", "VaultConnection")["spec"]), // those of VaultAuth go with the login alone (vault-secrets-operator vault/client.go Login)
            Lasts = TimeSpan.FromSeconds(((YamlMappingNode)said).Children.TryGetValue("tokenExpirationSeconds", out var seconds) ? int.Parse(seconds.ToString(), CultureInfo.InvariantCulture) : 600), // the default of its CRD
        };
    }

    /// <summary>By what is mounted into the repo server's sidecar, where its settings look.</summary>
    private static ConsumerLogin Plugin()
    {
        var settings = (YamlMappingNode)Document("argocd-vault-plugin.yaml", "Secret")["stringData"];
        var server = Read<V1Deployment>("argocd-vault-plugin-sidecar.yaml");
        var sidecar = server.Spec.Template.Spec.Containers.Single();
        sidecar.EnvFrom.Single().SecretRef.Name.ShouldBe(Document("argocd-vault-plugin.yaml", "Secret")["metadata"]["name"].ToString());
        V1Volume Where(string file)
        {
            var mount = sidecar.VolumeMounts.Single(mount => file.StartsWith(mount.MountPath + "/", StringComparison.Ordinal));
            return server.Spec.Template.Spec.Volumes.Single(volume => volume.Name == mount.Name);
        }

        var token = settings["AVP_K8S_TOKEN_PATH"].ToString();
        token.ShouldEndWith("/" + Where(token).Projected.Sources.Single().ServiceAccountToken.Path);
        Where(settings["VAULT_CACERT"].ToString()).ConfigMap.ShouldNotBeNull();
        var read = Document("argocd-vault-plugin.yaml", "Secret", 1)["metadata"]["annotations"]["avp.kubernetes.io/path"].ToString();
        return new(Behind("auth/", settings["AVP_K8S_MOUNT_PATH"].ToString()), settings["AVP_K8S_ROLE"].ToString(), server.Namespace(), server.Spec.Template.Spec.ServiceAccountName, AudienceOf(Where(token)), read);
    }

    private static (string, string)[] HeadersOf(YamlNode node) =>
        ((YamlMappingNode)node).Children.TryGetValue("headers", out var headers) ? [.. ((YamlMappingNode)headers).Select(static one => (one.Key.ToString(), one.Value.ToString()))] : [];

    private static string AudienceOf(V1Volume volume) => volume.Projected.Sources.Single().ServiceAccountToken.Audience;

    private static string SpaceOf(YamlNode document) => document["metadata"]["namespace"].ToString();

    private static string Behind(string prefix, string text)
    {
        text.ShouldStartWith(prefix);
        return text[prefix.Length..];
    }

    private static T Read<T>(string file) =>
        KubernetesYaml.Deserialize<T>(Texts(file).Single(static text => Load(text)["kind"].ToString() == typeof(T).Name["V1".Length..]), true);

    private static YamlNode Document(string file, string kind, int number = 0) => Texts(file).Select(Load).Where(document => document["kind"].ToString() == kind).ElementAt(number);

    private static string[] Texts(string file) => Repository.Read($"k8s/consumers/{file}").Split("\n---\n");

    private static YamlNode Load(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        return yaml.Documents[0].RootNode;
    }
}
