using System.Security.Cryptography;
using System.Text;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Third-party clients, against a broker on a real port: log in, read, renew, look up, revoke, errors, log in again.</summary>
public sealed class ClientsOfOthersTests
{
    [Fact]
    public async Task Hvac_works_unchanged()
    {
        await using var world = new BrokerWorld();
        var address = await world.ListeningReplicaAsync();

        var seen = await ClientPrograms.PythonAsync("hvac_client.py", address.AbsoluteUri.TrimEnd('/'), world.Pod(), "orders-api");

        ((bool)seen["health"]["sealed"]!, (bool)seen["health"]["initialized"]!).ShouldBe((false, true));
        ((string)seen["bad login"]["error"]!).ShouldBe("Forbidden");
        ((bool)seen["login"]["authenticated"]!, (int)seen["login"]["duration"]!).ShouldBe((true, 3600));
        ((string)seen["renew"]["lease"]!, (int)seen["renew"]["duration"]!).ShouldBe(((string)seen["read"]["lease"]!, (int)seen["read"]["duration"]!));
        ((int)seen["look up"]["ttl"]!).ShouldBeInRange(1, (int)seen["read"]["duration"]!);
        ((int)seen["renew token"]["duration"]!, (string)seen["look up token"]["type"]!).ShouldBe((3600, "service"));
        ((string)seen["accessor"]["id"]!, (bool)seen["accessor"]["token"]!).ShouldBe(("", true));
        ((string)seen["unwrap"]["user"]!, (string)seen["namespace"]["user"]!).ShouldBe(((string)seen["read"]["user"]!, (string)seen["read"]["user"]!));
        ((string)seen["unknown role"]["error"]!).ShouldBe("InvalidRequest");
        ((string)seen["unknown lease"]["text"]!).ShouldContain("lease not found");
        ((string)seen["not allowed"]["error"]!).ShouldBe("Forbidden");
        ((string)seen["revoked lease"]["text"]!).ShouldContain("lease not found");
        ((bool)seen["revoked"]["authenticated"]!).ShouldBeFalse();
        ((string)seen["read after revocation"]["error"]!).ShouldBe("Forbidden");
        ((string)seen["read again"]["user"]!).ShouldNotBeEmpty();
        world.Issuer.Users.Count.ShouldBe(1, "one database user served it all");
    }

    [Fact]
    public async Task Node_vault_works_unchanged()
    {
        await using var world = new BrokerWorld();
        var address = await world.ListeningReplicaAsync();

        var seen = await ClientPrograms.NodeAsync("node_vault_client.cjs", address.AbsoluteUri.TrimEnd('/'), world.Pod(), "orders-api");

        ((bool)seen["health"]["sealed"]!).ShouldBeFalse();
        ((string)seen["bad login"]["error"]!).ShouldBe("403");
        ((string)seen["renew"]["lease"]!, (int)seen["renew"]["duration"]!).ShouldBe(((string)seen["read"]["lease"]!, (int)seen["read"]["duration"]!));
        ((int)seen["look up"]["ttl"]!).ShouldBeGreaterThan(0);
        ((int)seen["renew token"]["duration"]!, (string)seen["look up token"]["type"]!).ShouldBe((3600, "service"));
        ((string)seen["accessor"]["id"]!, (bool)seen["accessor"]["token"]!).ShouldBe(("", true));
        ((string)seen["help"]["text"]!).ShouldContain("Reads a login");
        ((string)seen["unknown role"]["text"]!).ShouldBe("unknown role: nosuch");
        ((string)seen["unknown lease"]["text"]!).ShouldBe("lease not found");
        ((string)seen["not allowed"]["error"]!).ShouldBe("403");
        ((string)seen["revoked lease"]["text"]!).ShouldBe("lease not found");
        ((string)seen["read after revocation"]["error"]!).ShouldBe("403");
        ((string)seen["read again"]["user"]!).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Two_more_clients_for_Node_log_in_by_AppRole()
    {
        await using var world = AppRoleWorld();
        var address = (await world.ListeningReplicaAsync()).AbsoluteUri;

        var client = await ClientPrograms.NodeAsync("node_vault_client_approle.cjs", address, "role-id", "the-secret", "batch");
        ((string)client["read"]["user"]!).ShouldBe((string)client["read again"]["user"]!);
        ((bool)client["read"]["renewable"]!).ShouldBeTrue();
        client["bad login"]["error"].ShouldNotBeNull();

        var other = await ClientPrograms.NodeAsync("hashi_vault_js_client.mjs", address, "role-id", "the-secret", "batch");
        ((bool)other["health"]["sealed"]!).ShouldBeFalse();
        ((int)other["login"]["duration"]!).ShouldBe(3600);
        other["bad login"]["error"].ShouldNotBeNull();
        ((string)other["look up token"]["type"]!).ShouldBe("service");
        ((int)other["renew token"]["duration"]!).ShouldBe(3600);
        other["look up after revocation"]["error"].ShouldNotBeNull();
    }

    [Theory]
    [InlineData("hvac")]
    [InlineData("node-vault")]
    public async Task L1_A_hundred_of_them_at_once_make_one_database_user(string client)
    {
        await using var world = new BrokerWorld(("Roles:orders-api:Connections:Default", "1"));
        var address = (await world.ListeningReplicaAsync()).AbsoluteUri.TrimEnd('/');
        var tokens = Path.Combine(world.Directory, "pods");
        await File.WriteAllLinesAsync(tokens, Enumerable.Range(0, 100).Select(pod => world.Pod($"uid-{pod}")), TestContext.Current.CancellationToken);

        var seen = client == "hvac"
            ? await ClientPrograms.PythonAsync("hvac_hundred.py", address, "orders-api", tokens)
            : await ClientPrograms.NodeAsync("node_vault_hundred.cjs", address, "orders-api", tokens);

        ((int)seen["all"]["users"]!, (int)seen["all"]["leases"]!, (bool)seen["all"]["same"]!).ShouldBe((1, 100, true));
        world.Issuer.Users.Count.ShouldBe(1);
    }

    private static BrokerWorld AppRoleWorld() => new(
        ("VaultApi:AuthMounts:approle:Type", "AppRole"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:RoleId", "role-id"),
        ("VaultApi:AuthMounts:approle:AppRoles:legacy:SecretIds:one:Hash", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("the-secret")))),
        ("Roles:batch:Database", "orders"), ("Roles:batch:Issuer", "here"), ("Roles:batch:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
        ("Roles:batch:Allow:0:Issuer", "approle"), ("Roles:batch:Allow:0:Claims:role_name", "legacy"));
}
