using System.Text.Json.Nodes;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>What is attached by the manifests of <c>k8s/consumers</c> is one holder, however often its program logs in.</summary>
public sealed class ConsumerHoldersTests
{
    public static TheoryData<string> Logins => [.. ConsumerLogins.ByManifest.Keys];

    [Theory]
    [MemberData(nameof(Logins))]
    public async Task Whoever_logs_in_anew_for_each_read_is_one_holder(string file)
    {
        var login = ConsumerLogins.ByManifest[file]();
        await using var world = new BrokerWorld(
            ("Identity:Issuers:kubernetes:Audience", login.Audience),
            ($"VaultApi:AuthMounts:{login.Mount}:Type", "Kubernetes"), ($"VaultApi:AuthMounts:{login.Mount}:Issuer", "kubernetes"),
            ($"Roles:{login.Role}:Database", "orders"), ($"Roles:{login.Role}:Issuer", "here"), ($"Roles:{login.Role}:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
            ($"Roles:{login.Role}:Allow:0:Issuer", "kubernetes"), ($"Roles:{login.Role}:Allow:0:Claims:namespace", login.Namespace), ($"Roles:{login.Role}:Allow:0:Claims:serviceaccount", login.Account),
            ("Databases:orders:Budget:Ceiling", "5")); // room for one holder alone
        var replica = await world.ReplicaAsync();

        string? first = null;
        for (var refresh = 1; refresh <= 3; refresh++)
        {
            var caller = new VaultCaller(replica);
            (await caller.SendAsync("PUT", $"auth/{login.Mount}/login", new JsonObject { ["role"] = login.Role, ["jwt"] = TokenOf(world, login) }, [.. login.Headers])).ShouldSatisfyAllConditions(
                answer => answer.Status.ShouldBe(200, answer.Text), answer => caller.Token = (string?)answer.Body["auth"]?["client_token"]);
            var read = await caller.SendAsync("GET", login.Read, null, [.. login.Headers]);
            read.Status.ShouldBe(200, $"refresh {refresh}: {read.Text}");
            (first ??= read.Username).ShouldBe(read.Username);
        }
    }

    private static string TokenOf(BrokerWorld world, ConsumerLogin login) => world.Mint.Token(payload =>
    {
        payload["aud"] = new JsonArray(login.Audience);
        payload["sub"] = $"system:serviceaccount:{login.Namespace}:{login.Account}";
        var said = payload["kubernetes.io"]!.AsObject();
        said["namespace"] = login.Namespace;
        said["serviceaccount"]!["name"] = login.Account;
        if (!login.NamesPod) said.Remove("pod");
    });
}
