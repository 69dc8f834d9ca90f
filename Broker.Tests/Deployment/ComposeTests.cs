using System.Diagnostics;
using Broker.Core.Catalog;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
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
        Assert.SkipUnless(File.Exists("/bin/sh") && File.Exists("/usr/bin/openssl") && File.Exists("/usr/bin/xxd"), "Needs sh, openssl and xxd.");
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
