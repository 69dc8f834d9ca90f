using System.Diagnostics;
using Broker.Core.Catalog;
using k8s;
using k8s.Models;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using MongoDB.Driver;
using Shouldly;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Broker.Tests.Deployment;

public sealed class ComposeTests : IDisposable
{
    private static readonly Dictionary<string, Dictionary<string, object>> Services = Load();

    private readonly string directory = Directory.CreateTempSubdirectory("broker-compose-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Whatever_a_service_waits_for_is_there_and_says_when_it_is_ready()
    {
        Services.Keys.ShouldBe(["postgres", "mysql", "mongodb", "redis", "vault", "vault-setup", "identity", "broker-1", "broker-2", "pgbouncer", "prometheus", "grafana", "rollout"], ignoreOrder: true);
        foreach (var (name, service) in Services)
        {
            if (service.GetValueOrDefault("depends_on") is List<object> started) started.Cast<string>().ShouldBeSubsetOf(Services.Keys);
            else foreach (var (awaited, how) in Map(service.GetValueOrDefault("depends_on")))
            {
                Services.ShouldContainKey((string)awaited, $"{name} waits for it");
                var condition = (string)Map(how)["condition"];
                if (condition == "service_healthy") Services[(string)awaited].ShouldContainKey("healthcheck");
                else condition.ShouldBe("service_completed_successfully");
            }
        }
    }

    [Fact]
    public void A_server_is_asked_for_its_health_where_it_does_not_listen_while_it_sets_itself_up()
    {
        // The entrypoints of their images start a server of their own first, which makes the users: PostgreSQL's and MySQL's listen on a
        // socket alone (https://github.com/docker-library/postgres, https://github.com/docker-library/mysql), MongoDB's on 127.0.0.1
        // (https://github.com/docker-library/mongo).
        Check("postgres").ShouldContain("127.0.0.1");
        Check("mysql").ShouldContain("--host=127.0.0.1");
        var mongo = new MongoUrl(Check("mongodb").Single(word => word.StartsWith("mongodb://", StringComparison.Ordinal)));
        var environment = Map(Services["mongodb"]["environment"]);
        (mongo.Server.Host, mongo.Username, mongo.Password).ShouldBe(("mongodb", (string)environment["MONGO_INITDB_ROOT_USERNAME"], (string)environment["MONGO_INITDB_ROOT_PASSWORD"]));

        static string[] Check(string service) => [.. ((List<object>)Map(Services[service]["healthcheck"])["test"]).Cast<string>()];
    }

    [Fact]
    public void An_image_of_our_own_is_built_by_one_service_and_pulled_by_none()
    {
        var built = Services.Values.Where(service => service.ContainsKey("build")).Select(service => (string)service["image"]).ToList();
        built.ShouldBeUnique("compose builds all services at once, and of two images of one name the second is refused");
        built.ShouldNotBeEmpty();
        foreach (var service in Services.Values.Where(service => built.Contains((string)service["image"]))) service["pull_policy"].ShouldBe("never");
    }

    [Fact]
    public void A_broker_has_as_long_to_stop_as_in_a_cluster()
    {
        var grace = KubernetesYaml.LoadAllFromString(Repository.Read("k8s/base/deployment.yaml"), null, true).OfType<V1Deployment>().Single().Spec.Template.Spec.TerminationGracePeriodSeconds;
        foreach (var name in new[] { "broker-1", "broker-2" }) Services[name]["stop_grace_period"].ShouldBe($"{grace}s", name);
    }

    [Fact]
    public void Every_mounted_file_is_in_the_repository_and_nothing_listens_beyond_this_machine()
    {
        foreach (var (name, service) in Services)
        {
            foreach (var source in List(service, "volumes").Select(volume => volume.Split(':')[0]).Where(source => source.StartsWith('.')))
                File.Exists(Repository.PathOf(source)).ShouldBeTrue($"{name} mounts {source}");
            List(service, "ports").ShouldAllBe(port => port.StartsWith("127.0.0.1:", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Every_password_says_that_it_is_for_development()
    {
        foreach (var file in new[] { "docker-compose.yml", "docs/compose/postgres.sql", "docs/compose/broker.json", "docs/compose/vault-setup.sh", "docs/compose/mysql.sql" })
        {
            foreach (System.Text.RegularExpressions.Match password in
                System.Text.RegularExpressions.Regex.Matches(Repository.Read(file), @"(?:PASSWORD:?|[Pp]assword=|TOKEN(?:_ID)?:)\s*'?([^\s'"";{]+)"))
                password.Groups[1].Value.ShouldStartWith("dev-only-", customMessage: file);
        }
    }

    [Fact]
    public void The_broker_believes_its_configuration()
    {
        RunIdentity("keys").ShouldBeEmpty();
        File.WriteAllText(Path.Combine(directory, "token"), "dev-only");
        Directory.CreateDirectory(Path.Combine(directory, "keys"));

        var reading = Repository.ReadConfiguration("docs/compose/broker.json", directory, "/etc/broker/identity", "/etc/broker/vault", "/var/lib/broker");

        reading.Errors.ShouldBeEmpty();
        reading.Settings!.Ledger.Kind.ShouldBe(LedgerKind.Redis);
    }

    [Fact]
    public async Task Its_identity_signs_tokens_that_its_published_key_proves()
    {
        RunIdentity("keys");
        var before = await File.ReadAllTextAsync(Path.Combine(directory, "jwks.json"), TestContext.Current.CancellationToken);
        RunIdentity("keys");
        (await File.ReadAllTextAsync(Path.Combine(directory, "jwks.json"), TestContext.Current.CancellationToken)).ShouldBe(before, "a second start makes no second key");

        var result = await new JsonWebTokenHandler().ValidateTokenAsync(RunIdentity("token", "dba").Trim(), new TokenValidationParameters
        {
            ValidIssuer = "https://identity.compose.test",
            ValidAudience = "broker",
            IssuerSigningKeys = new JsonWebKeySet(before).GetSigningKeys(),
            ValidAlgorithms = ["RS256"],
        });

        result.Exception.ShouldBeNull();
        result.Claims["sub"].ShouldBe("dba");
    }

    private static Dictionary<string, Dictionary<string, object>> Load()
    {
        using var text = new StringReader(Repository.Read("docker-compose.yml"));
        var compose = new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(new MergingParser(new Parser(text)));
        return Map(compose["services"]).ToDictionary(
            service => (string)service.Key, service => Map(service.Value).ToDictionary(entry => (string)entry.Key, entry => entry.Value));
    }

    private static Dictionary<object, object> Map(object? value) => (Dictionary<object, object>?)value ?? [];

    private static IEnumerable<string> List(Dictionary<string, object> service, string key) =>
        ((List<object>?)service.GetValueOrDefault(key) ?? []).Cast<string>();

    private string RunIdentity(params string[] arguments)
    {
        Assert.SkipUnless(File.Exists("/bin/sh") && File.Exists("/usr/bin/openssl"), "Needs sh and openssl.");
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", [Repository.PathOf("docs/compose/identity.sh"), .. arguments])
        {
            RedirectStandardOutput = true,
            Environment = { ["IDENTITY_DIRECTORY"] = directory },
        })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.ShouldBe(0);
        return output;
    }
}
