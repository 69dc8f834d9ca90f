using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Broker.Core.Audit;
using Broker.Core.Operators.Indicators;
using Broker.Core.Sessions.ClientTokens;
using Broker.Tests.Security;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Logins: who gets a token, what it is bound to, and how the others are refused.</summary>
public sealed class LoginTests
{
    private const string Undone = "client token revoked, because nobody has the answer to its login, at auth/approle, with secret id legacy/one";
    private static readonly string Hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("the-secret"u8));

    [Fact]
    public async Task Without_a_mount_table_each_issuer_is_a_mount_and_a_login_names_a_role_of_the_broker()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());

        var pod = await caller.LogInAsync(world.Pod("uid-7"));
        (pod.Status, pod.ContentType).ShouldBe((200, "application/json"));
        var auth = pod.Body["auth"]!;
        ((string)auth["client_token"]!).ShouldStartWith("hvs.");
        auth["policies"]!.ToJsonString().ShouldBe("""["default","orders-api"]""");
        ((string)auth["metadata"]!["service_account_name"]!).ShouldBe("orders");
        ((int)auth["lease_duration"]!, (bool)auth["renewable"]!).ShouldBe((3600, true));
        (await caller.ReadAsync()).Status.ShouldBe(200);

        (await caller.LogInAsync(world.Job(), "deploy", "ci")).Status.ShouldBe(200);
        (await caller.ReadAsync("deploy")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("kubernetes", "orders-api", "garbage", 403, "permission denied")]
    [InlineData("kubernetes", "orders-api", null, 400, "missing jwt")]
    [InlineData("kubernetes", null, "pod", 400, "missing role")]
    [InlineData("kubernetes", "nosuch", "pod", 400, "invalid role name \"nosuch\"")]
    [InlineData("kubernetes", "nosuch", "garbage", 403, "permission denied")]
    [InlineData("kubernetes", "deploy", "pod", 403, "namespace not authorized")]
    [InlineData("kubernetes", "orders-api", "job", 403, "permission denied")]
    [InlineData("ci", "deploy", "garbage", 400, "error validating token: ")]
    [InlineData("ci", "deploy", null, 400, "missing token")]
    [InlineData("ci", null, "job", 400, "missing role")]
    [InlineData("ci", "nosuch", "job", 400, "role \"nosuch\" could not be found")]
    [InlineData("ci", "orders-api", "job", 400, "error validating claims: ")]
    [InlineData("nosuch", "deploy", "job", 403, "permission denied")]
    public async Task A_login_is_refused_as_its_method_refuses(string mount, string? role, string? proof, int status, string error)
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());
        var body = new JsonObject { ["role"] = role, ["jwt"] = proof switch { "pod" => world.Pod(), "job" => world.Job(), _ => proof } };

        var answer = await caller.SendAsync("POST", $"auth/{mount}/login", body);

        answer.Status.ShouldBe(status, answer.Text);
        answer.Error!.ShouldStartWith(error);
        world.AuditLines().ShouldContain(line => line.Contains($"auth/{mount}/login", StringComparison.Ordinal), "L7: every refusal is in the audit");
    }

    [Fact]
    public async Task Only_put_and_post_log_in()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());

        foreach (var method in new[] { "GET", "DELETE", "LIST" }) (await caller.SendAsync(method, "auth/kubernetes/login")).Status.ShouldBe(405);
    }

    [Fact]
    public async Task A_mount_table_keeps_the_paths_and_names_of_clients()
    {
        await using var world = new BrokerWorld(
            ("VaultApi:AuthMounts:k8s/cluster-1:Type", "Kubernetes"), ("VaultApi:AuthMounts:k8s/cluster-1:Issuer", "kubernetes"),
            ("VaultApi:AuthMounts:k8s/cluster-1:Roles:shop:0", "orders-api"), ("VaultApi:AuthMounts:k8s/cluster-1:DefaultRole", "shop"),
            ("VaultApi:SecretMounts:teams/shop/db:Roles:orders-rw:Role", "orders-api"), ("VaultApi:SecretMounts:teams/shop/db:Roles:orders-rw:Connections", "3"));
        var caller = new VaultCaller(await world.ReplicaAsync());

        (await caller.LogInAsync(world.Pod(), "shop", "k8s/cluster-1")).Status.ShouldBe(200);
        var read = await caller.SendAsync("GET", "teams/shop/db/creds/orders-rw");
        read.Status.ShouldBe(200);
        read.LeaseId.ShouldStartWith("teams/shop/db/creds/orders-rw/");
        read.Headers.GetValues("X-Broker-Connections").Single().ShouldBe("3");
        (await caller.SendAsync("GET", "teams/shop/db/creds/orders-api")).Error.ShouldBe("unknown role: orders-api");
        (await caller.SendAsync("GET", "database/creds/orders-api")).Status.ShouldBe(404);
        (await caller.LogInAsync(world.Pod(), "orders-api", "k8s/cluster-1")).Error.ShouldBe("invalid role name \"orders-api\"");
        (await caller.LogInAsync(world.Pod())).Status.ShouldBe(403);
        (await caller.SendAsync("PUT", "auth/k8s/cluster-1/login", new JsonObject { ["jwt"] = world.Pod() })).Status.ShouldBe(200);
    }

    // Vault keeps the roles of these two methods in small letters, and looks for a login's so (vault-plugin-auth-kubernetes backend.go role; OpenBao builtin/credential/jwt/path_login.go).
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_login_may_write_the_name_of_its_role_in_any_letters(bool hasTable)
    {
        await using var world = new BrokerWorld(hasTable
            ? [("VaultApi:AuthMounts:ci:Type", "Jwt"), ("VaultApi:AuthMounts:ci:Issuer", "ci"), ("VaultApi:AuthMounts:ci:Roles:Release:0", "deploy"),
               ("VaultApi:AuthMounts:kubernetes:Type", "Kubernetes"), ("VaultApi:AuthMounts:kubernetes:Issuer", "kubernetes"), ("VaultApi:AuthMounts:kubernetes:Roles:Shop:0", "orders-api")]
            : []);
        var caller = new VaultCaller(await world.ReplicaAsync());

        foreach (var name in hasTable ? ["Release", "release", "RELEASE"] : new[] { "deploy", "Deploy" }) (await caller.LogInAsync(world.Job(), name, "ci")).Status.ShouldBe(200, name);
        foreach (var name in hasTable ? ["Shop", "shop", "SHOP"] : new[] { "orders-api", "Orders-API" })
        {
            var login = await caller.LogInAsync(world.Pod(), name);
            (login.Status, (string?)login.Body["auth"]?["metadata"]?["role"]).ShouldBe((200, name), login.Text);
        }

        (await caller.LogInAsync(world.Pod(), "NoSuch")).Error.ShouldBe("invalid role name \"NoSuch\"");
    }

    [Fact]
    public async Task An_AppRole_lets_in_who_has_no_token_of_its_own()
    {
        await using var world = AppRoleWorld(("Uses", "2"));
        var caller = new VaultCaller(await world.ReplicaAsync());

        (await LogInAsync(caller, "legacy-batch", "wrong")).Error.ShouldBe("invalid role or secret ID");
        (await LogInAsync(caller, "another", "the-secret")).Error.ShouldBe("invalid role or secret ID");
        (await caller.SendAsync("PUT", "auth/approle/login", new JsonObject { ["role_id"] = "legacy-batch" })).Error.ShouldBe("missing secret_id");
        (await caller.SendAsync("PUT", "auth/approle/login", new JsonObject { ["secret_id"] = "x" })).Error.ShouldBe("missing role_id");
        for (var use = 0; use < 2; use++)
        {
            var login = await LogInAsync(caller, "legacy-batch", "the-secret");
            login.Status.ShouldBe(200);
            caller.Token = (string)login.Body["auth"]!["client_token"]!;
            (await caller.ReadAsync("batch")).Status.ShouldBe(200);
        }

        (await LogInAsync(caller, "legacy-batch", "the-secret")).Error.ShouldBe("invalid role or secret ID", "it is used up");
        (await caller.ReadAsync("orders-api")).Status.ShouldBe(403);
        world.AuditLines().ShouldContain(line => line.Contains("with secret id legacy/one", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_secret_id_ends_at_its_time_and_its_tokens_with_it()
    {
        var end = TimeProvider.System.GetUtcNow().AddMinutes(30);
        await using var world = AppRoleWorld(("ExpiresAt", end.ToString("O")));
        var caller = new VaultCaller(await world.ReplicaAsync());
        var auth = (await LogInAsync(caller, "legacy-batch", "the-secret")).Body["auth"]!;
        caller.Token = (string)auth["client_token"]!;
        (await caller.ReadAsync("batch")).Status.ShouldBe(200);
        ((int)auth["lease_duration"]!).ShouldBeInRange(1600, 1800, "it is told no more than it has");
        ((int)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["ttl"]!).ShouldBeInRange(1600, 1800);

        world.Time.Forward(TimeSpan.FromMinutes(10));
        var renewed = await caller.SendAsync("PUT", "auth/token/renew-self");
        ((int)renewed.Body["auth"]!["lease_duration"]!).ShouldBeInRange(1000, 1200);
        renewed.Warning!.ShouldStartWith("TTL of \"");
        ((int)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["ttl"]!).ShouldBeInRange(1000, 1200);

        world.Time.Forward(TimeSpan.FromMinutes(21));

        (await caller.ReadAsync("batch")).Status.ShouldBe(403);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task A_secret_id_is_good_from_its_networks_alone()
    {
        await using var world = AppRoleWorld(("Networks:0", "10.0.0.0/8"));
        var caller = new VaultCaller(new HttpClient { BaseAddress = await world.ListeningReplicaAsync() });

        (await LogInAsync(caller, "legacy-batch", "the-secret")).Error.ShouldBe("invalid role or secret ID");
    }

    [Fact]
    public async Task A_token_is_good_from_its_secret_ids_networks_alone()
    {
        await using var world = AppRoleWorld(("Networks:0", "127.0.0.1/32"));
        var address = await world.ListeningReplicaAsync();
        using var there = new HttpClient(From("127.0.0.1")) { BaseAddress = address };
        using var elsewhere = new HttpClient(From("127.0.0.2")) { BaseAddress = address };
        var (near, far) = (new VaultCaller(there), new VaultCaller(elsewhere));
        near.Token = far.Token = (string)(await LogInAsync(near, "legacy-batch", "the-secret")).Body["auth"]!["client_token"]!;

        (await near.ReadAsync("batch")).Status.ShouldBe(200);
        (await far.ReadAsync("batch")).Status.ShouldBe(403);
        (await far.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
        (await near.ReadAsync("batch")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Another_secret_id_under_the_same_name_ends_the_tokens_of_the_one_before()
    {
        await using var world = AppRoleWorld(("Uses", "0"));
        var caller = new VaultCaller(await world.ReplicaAsync());
        caller.Token = (string)(await LogInAsync(caller, "legacy-batch", "the-secret")).Body["auth"]!["client_token"]!;
        var ledger = world.Service<ClientTokenLedger>();
        var live = (await ledger.FindAsync(ClientTokenText.IdOf(caller.Token), TestContext.Current.CancellationToken))!;

        // As a version wrote it that did not note the secret id: its next renewal does.
        await MadeWithAsync(null);
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        (await ledger.FindAsync(live.Id, TestContext.Current.CancellationToken))!.Token.SecretHash.ShouldBe(live.Token.SecretHash.ShouldNotBeNull());

        await MadeWithAsync(new string('0', Hash.Length));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);

        async Task MadeWithAsync(string? hash)
        {
            (await ledger.RenewAsync(live.Id, live.Token with { SecretHash = hash }, TimeSpan.FromHours(1), TestContext.Current.CancellationToken)).ShouldBeTrue();
            world.Time.Forward(TimeSpan.FromSeconds(1)); // no replica remembers it as it was
        }
    }

    [Fact]
    public async Task L7_A_login_that_cannot_be_recorded_takes_no_use_of_its_secret_id()
    {
        var audit = new SwitchedAudit();
        await using var world = AppRoleWorld(("Uses", "2"), audit);
        var caller = new VaultCaller(await world.ReplicaAsync());

        audit.IsFull = true;
        for (var i = 0; i < 3; i++) (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(503);
        audit.IsFull = false;
        for (var i = 0; i < 2; i++) (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(200);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(400, "it is used up");

        // One that is given back is had again, whichever it was.
        var uses = world.Service<SecretIdUses>();
        await uses.GiveBackAsync("approle/legacy/one#0", TestContext.Current.CancellationToken);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(200);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task A_login_whose_answer_cannot_be_wrapped_takes_no_use_of_its_secret_id_and_leaves_no_token()
    {
        await using var world = AppRoleWorld(("Uses", "1"));
        var caller = new VaultCaller(await world.ReplicaAsync());
        world.Cut = static database => database == "~wrapped";

        (await LogInAsync(caller, "legacy-batch", "the-secret", ("X-Vault-Wrap-TTL", "60"))).Status.ShouldBe(503);

        world.Cut = null;
        world.Audited("session").Select(static record => (string?)record["detail"]).ShouldContain(Undone);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(200);
        (await LogInAsync(caller, "legacy-batch", "the-secret")).Status.ShouldBe(400, "it is used up");
    }

    [Fact]
    public async Task A_client_that_gives_up_before_its_login_is_answered_takes_no_use_of_its_secret_id_and_leaves_no_token()
    {
        await using var vault = await SimulatedVault.StartAsync();
        await using var world = AppRoleWorld(("Uses", "1"), behind: vault.Address);
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        vault.Fail("auth/approle/login", new SimulatedFault.DoAndHang());
        using var leaves = new CancellationTokenSource();
        using var body = new StringContent("""{"role_id":"legacy-batch","secret_id":"the-secret"}""");
        var login = client.PostAsync(new Uri("/v1/auth/approle/login", UriKind.Relative), body, leaves.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(vault.Count("PUT", "auth/approle/login") == 1), "it is made at the Vault behind too", TestContext.Current.CancellationToken);

        await leaves.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(login);

        await Eventually.HoldsAsync(() => Task.FromResult(world.Audited("session").Any(static record => (string?)record["detail"] == Undone)), "it is undone", TestContext.Current.CancellationToken);
        await Eventually.HoldsAsync(
            async () => (await LogInAsync(new VaultCaller(client), "legacy-batch", "the-secret")).Status == 200, "its use is given back", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_Vault_that_hangs_holds_nobody_up_who_logs_in_by_AppRole()
    {
        await using var vault = await SimulatedVault.StartAsync();
        await using var world = AppRoleWorld(("Uses", "0"), behind: vault.Address);
        var caller = new VaultCaller(await world.ReplicaAsync());
        vault.Fail("auth/approle/login", new SimulatedFault.DoAndHang());
        var began = world.Time.GetTimestamp();

        var login = await LogInAsync(caller, "legacy-batch", "the-secret");

        (login.Status, login.Warning is not null).ShouldBe((200, true), login.Text);
        world.Time.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Each_request_that_proves_nobody_is_counted_and_so_are_all_requests()
    {
        await using var world = new BrokerWorld(
            ("VaultApi:AuthMounts:approle:Type", "AppRole"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:RoleId", "legacy-batch"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:SecretIds:one:Hash", Hash),
            ("VaultApi:AuthMounts:kubernetes:Type", "Kubernetes"), ("VaultApi:AuthMounts:kubernetes:Issuer", "kubernetes"), ("VaultApi:AuthMounts:jwt:Type", "Jwt"), ("VaultApi:AuthMounts:jwt:Issuer", "ci"));
        var caller = new VaultCaller(await world.ReplicaAsync());
        var hour = world.Service<ILastHour>();

        (await caller.LogInAsync("no.real.token")).Status.ShouldBe(403);
        (await caller.LogInAsync("no.real.token", mount: "jwt")).Status.ShouldBe(400);
        (await LogInAsync(caller, "legacy-batch", "wrong")).Status.ShouldBe(400);
        (await caller.ReadAsync()).Status.ShouldBe(403);
        caller.Token = "hvs.madeup";
        (await caller.ReadAsync()).Status.ShouldBe(403);
        (await caller.SendAsync("GET", "sys/wrapping/lookup")).Status.ShouldBeGreaterThanOrEqualTo(400);
        var refused = hour.Counts.Unproven;
        (await caller.LogInAsync(world.Pod("pod"))).Status.ShouldBe(200);
        (await caller.ReadAsync()).Status.ShouldBe(200);
        (await caller.ReadAsync("no-such-role")).Status.ShouldBeGreaterThanOrEqualTo(400);

        refused.ShouldBeGreaterThanOrEqualTo(5);
        hour.Counts.Unproven.ShouldBe(refused, "whoever is known is counted elsewhere");
        await Eventually.HoldsAsync(() => Task.FromResult(hour.Counts.Requests >= 9), "a request is counted when its answer has left", TestContext.Current.CancellationToken);
    }

    private static Task<VaultAnswer> LogInAsync(VaultCaller caller, string role, string secret, params (string Name, string Value)[] headers)
    {
        caller.Token = null;
        return caller.SendAsync("POST", "auth/approle/login", new JsonObject { ["role_id"] = role, ["secret_id"] = secret }, headers);
    }

    private static SocketsHttpHandler From(string local) => new()
    {
        ConnectCallback = async (context, cancellation) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(local), 0));
            await socket.ConnectAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    private static BrokerWorld AppRoleWorld((string Key, string Value) secret, IAudit? audit = null, Uri? behind = null) => new([
        ("VaultApi:AuthMounts:approle:Type", "AppRole"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:RoleId", "legacy-batch"),
        ("VaultApi:AuthMounts:approle:AppRoles:legacy:SecretIds:one:Hash", Hash), ($"VaultApi:AuthMounts:approle:AppRoles:legacy:SecretIds:one:{secret.Key}", secret.Value),
        ("Roles:batch:Database", "orders"), ("Roles:batch:Issuer", "here"), ("Roles:batch:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
        ("Roles:batch:Allow:0:Issuer", "approle"), ("Roles:batch:Allow:0:Claims:role_name", "legacy"),
        .. behind is null ? Array.Empty<(string, string?)>() : [("VaultApi:Upstream:Address", behind.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Timeout", "00:02:00")],
    ])
    {
        Services = services =>
        {
            if (audit is not null) services.Replace(ServiceDescriptor.Singleton(audit));
        },
    };

    // The file that "kubectl create token … > file" makes ends with a line's end, and "vault write … jwt=@file" sends it as it is.
    [Theory]
    [InlineData("kubernetes", "orders-api")]
    [InlineData("ci", "deploy")]
    public async Task A_proof_from_a_file_may_end_with_a_lines_end(string mount, string role)
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());

        var login = await caller.LogInAsync((mount == "ci" ? world.Job() : world.Pod()) + "\r\n", role, mount);

        login.Status.ShouldBe(200, login.Text);
    }
}
