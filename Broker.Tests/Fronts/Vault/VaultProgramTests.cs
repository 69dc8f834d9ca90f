using System.Text.Json.Nodes;
using Broker.Tests.Failure;
using Broker.Tests.Security;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>The vault command and a Vault Agent, as <c>VAULT_BIN</c> names them, against a broker on a real port.</summary>
public sealed class VaultProgramTests : IDisposable
{
    private const string Role = "orders-api";

    private readonly string directory = Directory.CreateTempSubdirectory("broker-vault-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task The_vault_command_works_unchanged()
    {
        var program = ProgramOrSkip();
        await using var world = new BrokerWorld();
        var address = (await world.ListeningReplicaAsync()).AbsoluteUri;
        var token = "";

        ((bool)(await AskAsync("status"))["sealed"]!).ShouldBeFalse();
        var login = (await AskAsync("write", "auth/kubernetes/login", $"role={Role}", $"jwt={world.Pod()}"))["auth"]!;
        token = (string)login["client_token"]!;
        (await SayAsync("login", "-no-print", token)).ShouldNotContain("Error");
        ((string)(await AskAsync("token", "lookup"))["data"]!["type"]!).ShouldBe("service");
        ((int)(await AskAsync("token", "renew"))["auth"]!["lease_duration"]!).ShouldBe(3600);
        (await SayAsync("token", "capabilities", $"database/creds/{Role}")).Trim().ShouldBe("read");

        var read = await AskAsync("read", $"database/creds/{Role}");
        var (lease, duration) = ((string)read["lease_id"]!, (int)read["lease_duration"]!);
        ((string)read["data"]!["password"]!).ShouldNotBeEmpty();
        var renewed = await AskAsync("lease", "renew", lease);
        ((string)renewed["lease_id"]!, (int)renewed["lease_duration"]!).ShouldBe((lease, duration));
        ((int)(await AskAsync("write", "sys/leases/lookup", $"lease_id={lease}"))["data"]!["ttl"]!).ShouldBeInRange(1, duration);
        (await SayAsync("read", "-field=username", $"database/creds/{Role}")).ShouldBe((string)read["data"]!["username"]!);
        (await SayAsync("path-help", $"database/creds/{Role}")).ShouldContain("Reads a login of the role");

        var wrapped = await AskAsync("read", "-wrap-ttl=60s", $"database/creds/{Role}");
        ((string)(await AskAsync("unwrap", (string)wrapped["wrap_info"]!["token"]!))["data"]!["username"]!).ShouldBe((string)read["data"]!["username"]!);

        await RefusedAsync("unknown role: nosuch", "read", "database/creds/nosuch");
        await RefusedAsync("permission denied", "secrets", "list");
        await RefusedAsync("secret/nothing", "kv", "get", "secret/nothing");
        await SayAsync("lease", "revoke", "-sync", lease);
        await RefusedAsync("lease not found", "lease", "renew", lease);
        await SayAsync("token", "revoke", "-self");
        await RefusedAsync("permission denied", "read", $"database/creds/{Role}");
        world.Issuer.Users.Count.ShouldBe(1, "one database user served it all");

        Task<string> SayAsync(params string[] arguments) => TestProgram.RunAsync(
            program, arguments, LocalVault.HowToGetOne,
            environment: new Dictionary<string, string?> { ["VAULT_ADDR"] = address, ["VAULT_TOKEN"] = token, ["HOME"] = directory, ["VAULT_CLI_NO_COLOR"] = "1", ["VAULT_MAX_RETRIES"] = "0" });

        async Task<JsonObject> AskAsync(string command, params string[] arguments)
        {
            string[] words = command is "token" or "lease" ? [command, arguments[0], "-format=json", .. arguments[1..]] : [command, "-format=json", .. arguments];
            return JsonNode.Parse(await SayAsync(words))!.AsObject();
        }

        async Task RefusedAsync(string because, params string[] arguments) => (await Should.ThrowAsync<Exception>(() => SayAsync(arguments))).Message.ShouldContain(because);
    }

    [Fact]
    public async Task A_Vault_Agent_renders_a_login_that_works_and_another_one_when_its_lease_is_rotated()
    {
        var program = ProgramOrSkip();
        await using var stage = await Stage.SetAsync(Rotation.Settings(), Cancellation);
        var (jwt, rendered, sink, listens) = (Path.Combine(directory, "jwt"), Path.Combine(directory, "rendered"), Path.Combine(directory, "sink"), LoopbackPort.Take());
        await File.WriteAllTextAsync(jwt, stage.Identity.PodToken(0), Cancellation);
        var configuration = Path.Combine(directory, "agent.hcl");
        await File.WriteAllTextAsync(configuration, Configuration(), Cancellation);
        await using var agent = await ChildProcess.StartAsync(new()
        {
            Program = program,
            Arguments = ["agent", $"-config={configuration}"],
            LogFile = Path.Combine(directory, "agent.log"),
            WorkingDirectory = directory,
            Environment = new Dictionary<string, string> { ["HOME"] = directory },
        });

        var first = await LoginAsync(static _ => true);
        await OpensAsync(first);
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{listens}") };
        var (one, other) = (await ReadAsync(), await ReadAsync());
        one.ShouldBe(other, "the Agent keeps what it has read");
        one.ShouldContain(first.User);
        (await File.ReadAllTextAsync(sink, Cancellation)).ShouldNotBeEmpty();

        await Rotation.OrderAsync(stage, Cancellation);
        await OpensAsync(await LoginAsync(login => login != first));

        Task<string> ReadAsync() => client.GetStringAsync(new Uri($"/v1/database/creds/{StageSettings.RoleName}", UriKind.Relative), Cancellation);

        async Task<(string User, string Password)> LoginAsync(Func<(string User, string Password), bool> isIt)
        {
            var login = ("", "");
            await Eventually.HoldsAsync(
                async () =>
                {
                    if (!File.Exists(rendered) || (await File.ReadAllTextAsync(rendered, Cancellation)).Split('\n') is not [{ Length: > 0 } user, { Length: > 0 } password, ..]) return false;
                    return isIt(login = (user, password));
                },
                "the Agent renders it", Cancellation);
            return login;
        }

        async Task OpensAsync((string User, string Password) login)
        {
            var settings = new NpgsqlConnectionStringBuilder(stage.Postgres.AdminConnectionString) { Username = login.User, Password = login.Password, Pooling = false };
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(Cancellation);
        }

        string Configuration() =>
            $$$"""
            vault {
              address = "{{{stage.Brokers[0].Address}}}"
            }
            auto_auth {
              method "kubernetes" {
                mount_path = "auth/{{{StageSettings.ClusterName}}}"
                config = {
                  role       = "{{{StageSettings.RoleName}}}"
                  token_path = "{{{jwt}}}"
                }
              }
              sink "file" {
                config = {
                  path = "{{{sink}}}"
                }
              }
            }
            cache {
              use_auto_auth_token = true
            }
            listener "tcp" {
              address     = "127.0.0.1:{{{listens}}}"
              tls_disable = true
            }
            template {
              destination = "{{{rendered}}}"
              contents    = "{{ with secret \"database/creds/{{{StageSettings.RoleName}}}\" }}{{ .Data.username }}\n{{ .Data.password }}\n{{ end }}"
            }
            """;
    }

    private static string ProgramOrSkip()
    {
        Assert.SkipWhen(LocalVaultAgent.Program is null, LocalVaultAgent.HowToGetOne);
        return LocalVaultAgent.Program;
    }
}
