using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Databases.PostgreSql;
using Broker.Tests.Databases;
using k8s;
using k8s.Models;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Configuration;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>PgBouncer as it is shipped: in <c>k8s/pgbouncer</c>, with docker-compose, and as docs/poolers.md has it.</summary>
public sealed partial class PgBouncerFilesTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string IniOf(string file) => file.EndsWith(".ini", StringComparison.Ordinal) ? Repository.Read(file) : Fenced().Match(Repository.Read(file)).Groups[1].Value;

    private static Dictionary<string, string> SettingsOf(string file) => IniOf(file).Split('\n')
        .Where(line => line.Contains(" = ", StringComparison.Ordinal) && !line.StartsWith(';'))
        .Select(line => line.Split(" = ", 2))
        .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.Ordinal);

    [Theory]
    [InlineData("k8s/pgbouncer/pgbouncer.ini")]
    [InlineData("docs/compose/pgbouncer.ini")]
    [InlineData("docs/poolers.md")]
    public async Task The_real_PgBouncer_runs_a_file_and_the_broker_counts_and_sizes_it(string file)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        await using var pgBouncer = await LocalPgBouncer.StartAsync(postgres, new() { Configuration = IniOf(file) }, Cancellation);
        await using (var source = NpgsqlDataSource.Create(postgres.AdminConnectionString))
        {
            await using var command = source.CreateCommand("CREATE ROLE u1 LOGIN PASSWORD 'p1'");
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        await using var client = new NpgsqlConnection($"Host=127.0.0.1;Port={pgBouncer.Port};Database=app;Username=u1;Password=p1;Pooling=false;Timeout=60");
        await client.OpenAsync(Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var database = Pooled.Of(postgres, pgBouncer);
        var sample = await engine.SampleAsync(database, Cancellation);
        sample.Users.ShouldHaveSingleItem().Open.ShouldBe(1);
        sample.Limit.ShouldBe(int.Parse(SettingsOf(file)["max_client_conn"], null));
        sample.Pool!.Allowed.ShouldBe(int.Parse(SettingsOf(file)["max_db_connections"], null));
        (await engine.ResizePoolAsync(database, 30, 1, Cancellation)).ShouldBeTrue();
        (await engine.SampleAsync(database, Cancellation)).Pool!.Allowed.ShouldBe(30);
    }

    [Fact]
    public void All_of_them_say_the_same_but_for_sizes()
    {
        string[] own = ["app", "max_client_conn", "max_db_connections", "default_pool_size"];
        var shipped = SettingsOf("k8s/pgbouncer/pgbouncer.ini");
        shipped.Keys.ShouldContain("admin_users");
        foreach (var file in new[] { "docs/compose/pgbouncer.ini", "docs/poolers.md" })
            SettingsOf(file).Where(setting => !own.Contains(setting.Key)).ShouldBe(shipped.Where(setting => !own.Contains(setting.Key)), ignoreOrder: true, customMessage: file);
    }

    /// <summary>It is the one that <see cref="PoolerTests"/> runs, with users whose time is over.</summary>
    [Theory]
    [InlineData("docs/compose/postgres.sql")]
    [InlineData("docs/poolers.md")]
    public void Users_are_looked_up_by_the_function_that_is_tried(string file) =>
        Repository.Read(file).ReplaceLineEndings("\n").ShouldContain(LocalPgBouncer.UserLookup.ReplaceLineEndings("\n"));

    /// <summary>CVE-2026-107349: PgBouncer 1.20 to 1.26.0 loops for ever on a start option without a name when the list has something, but not <c>options</c>.</summary>
    [Theory]
    [InlineData("k8s/pgbouncer/pgbouncer.ini")]
    [InlineData("docs/compose/pgbouncer.ini")]
    [InlineData("docs/poolers.md")]
    public void No_start_option_of_a_client_stops_it(string file) =>
        SettingsOf(file)["ignore_startup_parameters"].Split(", ").ShouldBe(["extra_float_digits", "options"]);

    [Fact]
    public async Task The_manifests_build_and_go_together()
    {
        var objects = KubernetesYaml.LoadAllFromString(await Programs.KustomizeAsync(Repository.PathOf("k8s/pgbouncer")), null, true);
        var set = objects.OfType<V1StatefulSet>().ShouldHaveSingleItem();
        var pod = set.Spec.Template;
        var container = pod.Spec.Containers.ShouldHaveSingleItem();
        var settings = SettingsOf("k8s/pgbouncer/pgbouncer.ini");
        foreach (var meta in objects.Cast<IMetadata<V1ObjectMeta>>())
        {
            meta.Metadata.NamespaceProperty.ShouldBe("orders");
            meta.Metadata.Labels.ShouldContainKey("app.kubernetes.io/name");
        }

        set.Spec.Selector.MatchLabels.ShouldBeSubsetOf(pod.Metadata.Labels);
        var services = objects.OfType<V1Service>().ToDictionary(service => service.Name());
        services.Keys.ShouldBe(["pgbouncer", set.Spec.ServiceName], ignoreOrder: true);
        services[set.Spec.ServiceName].Spec.ClusterIP.ShouldBe("None");
        foreach (var service in services.Values)
        {
            service.Spec.Selector.ShouldBeSubsetOf(pod.Metadata.Labels);
            ((string)service.Spec.Ports.ShouldHaveSingleItem().TargetPort).ShouldBe(container.Ports.ShouldHaveSingleItem().Name);
        }

        var budget = objects.OfType<V1PodDisruptionBudget>().ShouldHaveSingleItem().Spec;
        budget.Selector.MatchLabels.ShouldBeSubsetOf(pod.Metadata.Labels);
        budget.UnhealthyPodEvictionPolicy.ShouldBe("AlwaysAllow");
        var policy = objects.OfType<V1NetworkPolicy>().ShouldHaveSingleItem().Spec;
        policy.PodSelector.MatchLabels.ShouldBeSubsetOf(pod.Metadata.Labels);
        policy.PolicyTypes.ShouldBe(["Ingress", "Egress"]);
        ((string)policy.Ingress.ShouldHaveSingleItem().Ports.ShouldHaveSingleItem().Port).ShouldBe(settings["listen_port"]);
        policy.Egress.SelectMany(egress => egress.Ports).Select(port => (string)port.Port).Distinct().ShouldBe(["53", "5353", "5432"], ignoreOrder: true);
        container.Ports.Single().ContainerPort.ShouldBe(int.Parse(settings["listen_port"], null));

        pod.Spec.AutomountServiceAccountToken.ShouldBe(false);
        (pod.Spec.SecurityContext.RunAsNonRoot, pod.Spec.SecurityContext.SeccompProfile.Type).ShouldBe((true, "RuntimeDefault"));
        (container.SecurityContext.AllowPrivilegeEscalation, container.SecurityContext.ReadOnlyRootFilesystem).ShouldBe((false, true));
        container.SecurityContext.Capabilities.Drop.ShouldBe(["ALL"]);
        container.Image.ShouldBe(Image().Match(Repository.Read("docker-compose.yml")).Groups[1].Value);

        // What it reads is mounted where it looks.
        var directory = container.VolumeMounts.Single(mount => mount.Name == "config").MountPath;
        container.Command[^1].ShouldEndWith($" {directory}/pgbouncer.ini");
        settings["auth_file"].ShouldBe($"{directory}/userlist.txt");
        objects.OfType<V1ConfigMap>().ShouldHaveSingleItem().Name().ShouldBe(pod.Spec.Volumes.Single(volume => volume.Name == "config").Projected.Sources[0].ConfigMap.Name);

        // The broker is told where its processes are, and what they may have together.
        var pooler = JsonNode.Parse(Repository.Read("k8s/pgbouncer/broker.json"))!["Broker"]!["Databases"]!["orders"]!["Pooler"]!;
        ((string)pooler["Host"]!).ShouldBe("pgbouncer.orders.svc");
        ((int)pooler["PoolSize"]!).ShouldBe(set.Spec.Replicas!.Value * int.Parse(settings["max_db_connections"], null));
        ((string)pooler["AuthUser"]!).ShouldBe(settings["auth_user"]);
        var hosts = string.Join(',', Enumerable.Range(0, set.Spec.Replicas.Value).Select(number => $"pgbouncer-{number}.{set.Spec.ServiceName}.orders.svc"));
        Repository.Read("k8s/pgbouncer/kustomization.yaml").ShouldContain($"Host={hosts};Port={settings["listen_port"]};Username={settings["admin_users"]};");
    }

    /// <summary>
    /// A client and a connection to the server are a file descriptor each; containerd 2 starts containers with 1,024 of them, which they may raise, and
    /// PgBouncer does not: https://github.com/containerd/containerd/blob/main/docs/containerd-2.0.md
    /// </summary>
    [Fact]
    public async Task Its_clients_have_file_descriptors_also_where_a_container_starts_with_few()
    {
        var set = KubernetesYaml.Deserialize<V1StatefulSet>(Repository.Read("k8s/pgbouncer/statefulset.yaml"), true);
        var command = set.Spec.Template.Spec.Containers.Single().Command;
        var shown = command.Select(static word => word.Replace("exec /usr/bin/pgbouncer", "echo $(ulimit -Sn) $(ulimit -Hn)", StringComparison.Ordinal)).ToArray();
        shown.ShouldNotBe(command, "a shell starts it");
        var limits = (await Programs.RunAsync("bash", ["-c", "ulimit -Sn 256; exec \"$0\" \"$@\"", .. shown])).Split(' ');
        limits[0].ShouldBe(limits[1], "all that it may have");
        command[^1].ShouldStartWith("ulimit -n");

        var compose = SettingsOf("docs/compose/pgbouncer.ini");
        var files = int.Parse(Files().Match(Repository.Read("docker-compose.yml")).Groups[1].Value, null);
        files.ShouldBeGreaterThan(int.Parse(compose["max_client_conn"], null) + int.Parse(compose["max_db_connections"], null) + 100);
    }

    /// <summary>
    /// Since 1.23 SIGTERM waits for clients, which pods' pools keep open, and SIGINT for transactions alone: https://www.pgbouncer.org/usage.html#signals
    /// </summary>
    [Fact]
    public void A_process_that_is_told_to_end_lets_transactions_end_and_does_not_wait_for_clients()
    {
        var pod = KubernetesYaml.Deserialize<V1StatefulSet>(Repository.Read("k8s/pgbouncer/statefulset.yaml"), true).Spec.Template.Spec;
        var container = pod.Containers.Single();
        container.Command[^1].ShouldContain("; exec /usr/bin/pgbouncer ", customMessage: "the signal goes to process 1");
        var command = container.Lifecycle.PreStop.Exec.Command;
        command.Take(2).ShouldBe(["sh", "-c"]);
        var steps = Stop().Match(command[^1]);
        steps.Success.ShouldBeTrue(command[^1]);
        (int.Parse(steps.Groups[1].Value, null) + int.Parse(steps.Groups[2].Value, null)).ShouldBeLessThan((int)pod.TerminationGracePeriodSeconds!.Value);
        Repository.Read("docker-compose.yml").ShouldContain("    stop_signal: SIGINT");
    }

    [Fact]
    public void The_broker_believes_what_it_is_told_of_it_in_a_cluster()
    {
        var mounted = Directory.CreateTempSubdirectory("broker-pooler-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(mounted, "orders-console"), "Username=broker-console;Password=p");
            File.WriteAllText(Path.Combine(mounted, "orders"), "Host=db");
            string Read(string file) => Repository.Read(file).Replace("\"/etc/broker/databases/", $"\"{mounted}/", StringComparison.Ordinal);
            using var under = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(Read("k8s/base/broker.json")));
            using var over = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(Read("k8s/pgbouncer/broker.json")));
            var errors = CatalogReader.Read(new ConfigurationBuilder().AddJsonStream(under).AddJsonStream(over).Build()).Errors;
            errors.ShouldNotContain(error => error.Path.Contains("Databases", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(mounted, recursive: true);
        }
    }

    [Fact]
    public void Compose_wires_its_pooler_to_the_broker()
    {
        var settings = SettingsOf("docs/compose/pgbouncer.ini");
        var databases = JsonNode.Parse(Repository.Read("docs/compose/broker.json"))!["Broker"]!["Databases"]!;
        var database = databases["orders-pooled"]!;
        var pooler = database["Pooler"]!;
        ((string)pooler["Host"]!).ShouldBe("pgbouncer");
        ((int?)pooler["Port"] ?? 6432).ShouldBe(int.Parse(settings["listen_port"], null));
        ((int)pooler["PoolSize"]!).ShouldBe(int.Parse(settings["max_db_connections"], null));
        ((string)pooler["AuthUser"]!).ShouldBe(settings["auth_user"]);
        settings.ShouldContainKey((string)database["Name"]!);
        settings[(string)database["Name"]!].ShouldBe($"host={(string)database["Host"]!} port=5432 dbname={(string)database["Name"]!}");
        var console = new NpgsqlConnectionStringBuilder((string)pooler["ConsoleConnectionString"]!);
        console.Username.ShouldBe(settings["admin_users"]);
        Repository.Read("docs/compose/pgbouncer-users.txt").ShouldContain($"\"{console.Username}\" \"{console.Password}\"");
        ((string)databases["orders"]!["Host"]!).ShouldBe((string)database["Host"]!, "both are on one server");
    }

    [GeneratedRegex(@"```ini\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fenced();

    [GeneratedRegex(@"image: edoburu/pgbouncer:\S+\n    ulimits: \{ nofile: (\d+) \}")]
    private static partial Regex Files();

    [GeneratedRegex(@"^sleep (\d+); kill -INT 1; sleep (\d+)$")]
    private static partial Regex Stop();

    [GeneratedRegex(@"image: (edoburu/pgbouncer:\S+)")]
    private static partial Regex Image();
}
