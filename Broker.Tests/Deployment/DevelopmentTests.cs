using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>The PostgreSQL that is shipped for trying <c>overlays/development</c> goes together with it.</summary>
public class DevelopmentTests
{
    [Fact]
    public async Task The_development_overlay_finds_its_database_and_its_namespace_takes_the_database_pod()
    {
        var objects = KubernetesYaml.LoadAllFromString(await Programs.KustomizeAsync(Repository.PathOf("k8s/postgres")), null, true);
        var overlay = KubernetesYaml.LoadAllFromString(await Programs.KustomizeAsync(Repository.PathOf("k8s/overlays/development")), null, true);
        var space = overlay.OfType<V1Namespace>().Single();
        foreach (var meta in objects.Cast<IMetadata<V1ObjectMeta>>()) meta.Metadata.NamespaceProperty.ShouldBe(space.Name());
        var pod = objects.OfType<V1Deployment>().ShouldHaveSingleItem().Spec.Template;
        var container = pod.Spec.Containers.ShouldHaveSingleItem();
        string Variable(string name) => container.Env.Single(variable => variable.Name == name).Value;

        // The broker is told of the server that there is: where, which database, and by whom.
        var service = objects.OfType<V1Service>().ShouldHaveSingleItem();
        service.Spec.Selector.ShouldBeSubsetOf(pod.Metadata.Labels);
        ((string)service.Spec.Ports.Single().TargetPort).ShouldBe(container.Ports.Single().Name);
        var database = JsonNode.Parse(overlay.OfType<V1ConfigMap>().Single().Data["broker.json"])!["Broker"]!["Databases"]!["orders"]!;
        ((string?)database["Host"], (int?)database["Port"] ?? 5432, (string?)database["Name"])
            .ShouldBe(($"{service.Name()}.{space.Name()}.svc", service.Spec.Ports.Single().Port, Variable("POSTGRES_DB")));
        var broker = overlay.OfType<V1Deployment>().Single().Spec.Template.Spec;
        var mounted = broker.Volumes.Single(volume => volume.Secret is not null);
        var secret = objects.OfType<V1Secret>().ShouldHaveSingleItem();
        secret.Name().ShouldBe(mounted.Secret.SecretName);
        var key = ((string)database["AdminConnectionStringFile"]!)[(broker.Containers[0].VolumeMounts.Single(mount => mount.Name == mounted.Name).MountPath.Length + 1)..];
        var admin = new NpgsqlConnectionStringBuilder(System.Text.Encoding.UTF8.GetString(secret.Data[key]));
        (admin.Host, admin.Database, admin.Username, admin.Password).ShouldBe(((string?)database["Host"], Variable("POSTGRES_DB"), "postgres", Variable("POSTGRES_PASSWORD")));

        // What the namespace enforces (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted).
        space.Labels()["pod-security.kubernetes.io/enforce"].ShouldBe("restricted");
        (pod.Spec.SecurityContext.RunAsNonRoot, pod.Spec.SecurityContext.SeccompProfile.Type).ShouldBe((true, "RuntimeDefault"));
        (container.SecurityContext.AllowPrivilegeEscalation, container.SecurityContext.ReadOnlyRootFilesystem).ShouldBe((false, true));
        container.SecurityContext.Capabilities.Drop.ShouldBe(["ALL"]);
        pod.Spec.Volumes.ShouldAllBe(volume => volume.EmptyDir != null);

        // A volume's own directory is root's, and the server takes one of its own user's alone.
        var kept = Variable("PGDATA");
        container.VolumeMounts.ShouldContain(mount => kept.StartsWith(mount.MountPath + "/", StringComparison.Ordinal));
        container.Image.ShouldBe(System.Text.RegularExpressions.Regex.Match(Repository.Read("docker-compose.yml"), "image: (postgres:.*)").Groups[1].Value);
    }
}
