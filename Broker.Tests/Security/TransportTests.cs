using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Api;
using Broker.Api.Authentication.Certificates;
using Broker.Api.Fronts;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>TLS with certificates that are renewed, client certificates as a further proof, and proxies in between.</summary>
public sealed class TransportTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-tls-").FullName;
    private readonly FakeTimeProvider time = new();
    private readonly X509Certificate2 authority = Authority("our clients");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private TlsSettings Tls => new()
    {
        CertificateFile = Path.Combine(directory, "tls.crt"),
        CertificateKeyFile = Path.Combine(directory, "tls.key"),
        ClientAuthorityFile = Path.Combine(directory, "clients.crt"),
    };

    public void Dispose()
    {
        authority.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_renewed_certificate_is_shown_to_the_next_connection_without_a_restart()
    {
        WriteServerCertificate("one");
        using var live = new LiveCertificates(Tls, time, NullLogger<LiveCertificates>.Instance);
        await using var server = await ServeAsync(live);
        (await ShownAsync(server)).ShouldBe("CN=one");

        WriteServerCertificate("two");
        time.Advance(TimeSpan.FromSeconds(10));
        (await ShownAsync(server)).ShouldBe("CN=two");
    }

    [Fact]
    public async Task Half_written_files_change_nothing()
    {
        WriteServerCertificate("one");
        using var live = new LiveCertificates(Tls, time, NullLogger<LiveCertificates>.Instance);
        await using var server = await ServeAsync(live);
        await File.WriteAllTextAsync(Tls.CertificateFile, "-----BEGIN CERTIFICATE-----\nMIIB", Cancel);
        time.Advance(TimeSpan.FromSeconds(10));
        (await ShownAsync(server)).ShouldBe("CN=one");

        WriteServerCertificate("two");
        time.Advance(TimeSpan.FromSeconds(10));
        (await ShownAsync(server)).ShouldBe("CN=two");
    }

    [Fact]
    public async Task A_certificate_that_is_renewed_before_its_key_changes_nothing_and_ends_nothing()
    {
        WriteServerCertificate("one");
        var key = await File.ReadAllTextAsync(Tls.CertificateKeyFile, Cancel);
        using var live = new LiveCertificates(Tls, time, NullLogger<LiveCertificates>.Instance);
        await using var server = await ServeAsync(live);
        WriteServerCertificate("two");
        var next = await File.ReadAllTextAsync(Tls.CertificateKeyFile, Cancel);
        await File.WriteAllTextAsync(Tls.CertificateKeyFile, key, Cancel);
        Should.NotThrow(() => time.Advance(TimeSpan.FromSeconds(10)));
        (await ShownAsync(server)).ShouldBe("CN=one");

        await File.WriteAllTextAsync(Tls.CertificateKeyFile, next, Cancel);
        time.Advance(TimeSpan.FromSeconds(10));
        (await ShownAsync(server)).ShouldBe("CN=two");
    }

    [Fact]
    public async Task A_client_certificate_is_believed_only_from_the_configured_authority_and_for_clients()
    {
        WriteServerCertificate("one");
        using var live = new LiveCertificates(Tls, time, NullLogger<LiveCertificates>.Instance);
        await using var server = await ServeAsync(live);
        using var foreignAuthority = Authority("somebody else");

        (await SeenAsync(server, null)).ShouldBe("none");
        (await SeenAsync(server, Client(authority, "spiffe://example.org/ns/shop/sa/orders"))).ShouldBe("spiffe://example.org/ns/shop/sa/orders");
        await Should.ThrowAsync<HttpRequestException>(SeenAsync(server, Client(foreignAuthority, "spiffe://example.org/ns/shop/sa/orders")));
        await Should.ThrowAsync<HttpRequestException>(SeenAsync(server, Client(authority, ["spiffe://example.org/ns/shop/sa/orders"], "1.3.6.1.5.5.7.3.1")));
    }

    [Fact]
    public void A_certificate_is_of_one_spiffe_id_and_of_no_other()
    {
        const string id = "spiffe://example.org/ns/shop/sa/orders";
        SpiffeIds.Holds(Client(authority, id), id).ShouldBeTrue();
        SpiffeIds.Holds(Client(authority, id), id + "/").ShouldBeFalse();
        SpiffeIds.Holds(Client(authority, id.ToUpperInvariant()), id).ShouldBeFalse();
        SpiffeIds.Holds(Client(authority, id, "spiffe://example.org/admin"), id).ShouldBeFalse("a certificate of two ids is nobody's");
        SpiffeIds.Holds(Client(authority), id).ShouldBeFalse();
    }

    [Theory]
    [InlineData("shop", "orders", "spiffe://example.org/ns/shop/sa/orders")]
    [InlineData("shop/sa/admin", "orders", null)]
    [InlineData("..%2f", "orders", null)]
    public void The_id_that_a_caller_must_show_is_made_of_its_claims(string space, string account, string? id) =>
        SpiffeIds.Expected("spiffe://example.org/ns/{namespace}/sa/{serviceaccount}", Callers.Pod(account: account, space: space)).ShouldBe(id);

    [Fact]
    public async Task A_caller_that_must_show_a_certificate_is_refused_without_it_wherever_it_asks()
    {
        var clients = Path.Combine(directory, "clients.crt");
        WriteServerCertificate("one");
        await using var world = new BrokerWorld(
            ("Tls:CertificateFile", Tls.CertificateFile), ("Tls:CertificateKeyFile", Tls.CertificateKeyFile), ("Tls:ClientAuthorityFile", clients),
            ("Identity:Issuers:kubernetes:SpiffeId", "spiffe://example.org/ns/{namespace}/sa/{serviceaccount}"));
        var replica = await world.ReplicaAsync();

        (await world.ClaimAsync(replica, world.Pod())).Status.ShouldBe(401);
        (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/budgets", world.Pod())).Status.ShouldBe(401);
        (await world.ClaimAsync(replica, world.Job(), "deploy")).Status.ShouldBe(200, "who need not show one");
    }

    [Fact]
    public async Task A_token_serves_only_together_with_the_certificate_of_its_own_workload()
    {
        await using var workloads = await WorkloadsAsync("kubernetes", "spiffe://example.org/ns/{namespace}/sa/{serviceaccount}", "spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org/ns/shop/sa/payments");
        var (world, own) = (workloads.World, workloads.Own);
        var token = world.Pod();

        foreach (var thief in workloads.Thieves) (await world.ClaimAsync(thief, token)).Status.ShouldBe(401);
        var granted = await world.ClaimAsync(own, token);
        granted.Status.ShouldBe(200, granted.Body.ToJsonString());
        var holder = (string)granted.Body["holder"]!["id"]!;

        // The token is remembered as proven now: that is no way round the certificate, for a claim or for what follows it.
        foreach (var thief in workloads.Thieves)
        {
            (await world.ClaimAsync(thief, token)).Status.ShouldBe(401);
            (await world.SendAsync(thief, HttpMethod.Post, $"/api/v1/holders/{holder}/renew", token)).Status.ShouldBe(401);
            (await world.SendAsync(thief, HttpMethod.Delete, $"/api/v1/holders/{holder}", token)).Status.ShouldBe(401);
        }

        (await world.SendAsync(own, HttpMethod.Post, $"/api/v1/holders/{holder}/renew", token)).Status.ShouldBe(200);
        (await world.SendAsync(own, HttpMethod.Delete, $"/api/v1/holders/{holder}", token)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task A_certificate_that_has_ended_is_believed_no_more_on_a_connection_that_lasts()
    {
        await using var workloads = await WorkloadsAsync("kubernetes", "spiffe://example.org/ns/{namespace}/sa/{serviceaccount}", "spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org/ns/shop/sa/payments");
        var (world, own) = (workloads.World, workloads.Own);
        (await world.ClaimAsync(own, world.Pod())).Status.ShouldBe(200);

        world.Time.Forward(TimeSpan.FromHours(30));

        (await world.ClaimAsync(own, world.Pod())).Status.ShouldBe(401, "it ended six hours ago");
    }

    [Fact]
    public async Task An_authority_that_was_taken_out_vouches_for_nobody_on_connections_that_last()
    {
        await using var workloads = await WorkloadsAsync(
            "kubernetes", "spiffe://example.org/ns/{namespace}/sa/{serviceaccount}", "spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org/ns/shop/sa/payments", ("Tls:LookEvery", "00:00:01"));
        var (world, own) = (workloads.World, workloads.Own);
        var token = world.Pod();
        (await world.ClaimAsync(own, token)).Status.ShouldBe(200);
        using var another = Authority("another");
        await File.WriteAllTextAsync(Tls.ClientAuthorityFile!, another.ExportCertificatePem(), Cancel);

        await Eventually.HoldsAsync(async () => (await world.ClaimAsync(own, token)).Status == 401, "the authority is gone", Cancel);
    }

    [Fact]
    public async Task A_session_wants_the_certificate_that_its_token_wanted()
    {
        await using var workloads = await WorkloadsAsync("ci", "spiffe://example.org/{repository_owner}/deploy", "spiffe://example.org/octo/deploy", "spiffe://example.org/evil/deploy");
        var (world, own) = (workloads.World, workloads.Own);
        var job = world.Mint.Token(payload =>
        {
            payload.Remove("kubernetes.io");
            (payload["iss"], payload["sub"], payload["repository"], payload["ref"], payload["repository_owner"]) =
                (BrokerWorld.PipelineIssuer, "repo:octo/shop", "octo/shop", "refs/heads/release/7", "octo");
        });

        (await world.OpenAsync(workloads.Thieves[0], job, "deploy")).Status.ShouldBe(401);
        var session = await world.OpenAsync(own, job, "deploy");
        session.Status.ShouldBe(201, session.Body.ToJsonString());
        var token = (string)session.Body["token"]!;
        (await world.ClaimAsync(own, token, "deploy")).Status.ShouldBe(200);
        foreach (var thief in workloads.Thieves)
        {
            (await world.ClaimAsync(thief, token, "deploy")).Status.ShouldBe(401);
            (await world.SendAsync(thief, HttpMethod.Post, $"/api/v1/sessions/{session.Body["id"]}/renew", token)).Status.ShouldBe(401);
            (await world.SendAsync(thief, HttpMethod.Delete, $"/api/v1/sessions/{session.Body["id"]}", token)).Status.ShouldBe(401);
        }
    }

    [Fact]
    public async Task A_client_token_wants_the_certificate_that_its_login_wanted()
    {
        await using var workloads = await WorkloadsAsync("kubernetes", "spiffe://example.org/ns/{namespace}/sa/{serviceaccount}", "spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org/ns/shop/sa/payments");
        var (world, own) = (workloads.World, workloads.Own);
        var owner = new VaultCaller(own);
        (await owner.LogInAsync(world.Pod())).Status.ShouldBe(200);
        var lease = (await owner.ReadAsync()).LeaseId;

        foreach (var client in workloads.Thieves)
        {
            var thief = new VaultCaller(client);
            (await thief.LogInAsync(world.Pod())).Status.ShouldBe(403);
            thief.Token = owner.Token;
            (await thief.ReadAsync()).Status.ShouldBe(403);
            (await thief.RenewAsync(lease)).Status.ShouldBe(403);
            (await thief.SendAsync("POST", "auth/token/renew-self")).Status.ShouldBe(403);
        }

        (await owner.RenewAsync(lease)).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("127.0.0.0/8", "203.0.113.9")]
    [InlineData("10.0.0.0/8", "127.0.0.1")]
    [InlineData(null, "127.0.0.1")]
    public async Task A_forwarded_address_is_believed_only_from_a_configured_proxy(string? proxies, string seen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        app.UseProxies(new BrokerSettings { Proxies = proxies is null ? [] : [proxies] });
        app.Run(context => context.Response.WriteAsync(context.Connection.RemoteIpAddress!.MapToIPv4().ToString(), context.RequestAborted));
        await app.StartAsync(Cancel);
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        client.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.9");
        (await client.GetStringAsync(new Uri("/", UriKind.Relative), Cancel)).ShouldBe(seen);
    }

    [Theory]
    [InlineData(1, "203.0.113.9")]
    [InlineData(2, "198.51.100.1")]
    public async Task No_more_hops_are_believed_than_there_are_proxies(int hops, string seen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();

        // A pod in the proxies' network: what it writes itself stands before the address that the proxy adds.
        app.UseProxies(new BrokerSettings { Proxies = ["127.0.0.0/8", "203.0.113.0/24"], ProxyHops = hops });
        app.Run(context => context.Response.WriteAsync(context.Connection.RemoteIpAddress!.MapToIPv4().ToString(), context.RequestAborted));
        await app.StartAsync(Cancel);
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        client.DefaultRequestHeaders.Add("X-Forwarded-For", "198.51.100.1, 203.0.113.9");
        (await client.GetStringAsync(new Uri("/", UriKind.Relative), Cancel)).ShouldBe(seen);
    }

    [Fact]
    public async Task Identity_never_comes_from_a_plain_header()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var header in new[] { "X-Forwarded-User", "X-Remote-User", "X-Forwarded-Client-Cert", "X-Client-Cert", "X-Forwarded-Access-Token", "Forwarded", "From" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/roles/orders-api/credentials");
            request.Headers.TryAddWithoutValidation(header, world.Pod());
            using var response = await replica.SendAsync(request, Cancel);
            response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, header);
        }
    }

    [Fact]
    public async Task Every_answer_says_that_it_is_not_to_be_kept_guessed_at_or_framed()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var answer in new[] { await world.ClaimAsync(replica, world.Pod()), await world.ClaimAsync(replica, null), await world.SendAsync(replica, HttpMethod.Get, "/nothing", world.Pod()) })
        {
            answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
            answer.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
            answer.Headers.GetValues("X-Frame-Options").ShouldBe(["DENY"]);
            answer.Headers.GetValues("Referrer-Policy").ShouldBe(["no-referrer"]);
            answer.Headers.Contains("Server").ShouldBeFalse();
        }
    }

    // Longer than the server takes, less than is read for nobody.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_that_nobody_reads_costs_no_answer_and_no_connection_over_TLS(bool told)
    {
        WriteServerCertificate("one");
        using var live = new LiveCertificates(Tls, time, NullLogger<LiveCertificates>.Instance);
        var longAnswer = new string('!', 1_000_000);
        await using var server = await ServeAsync(live, app =>
        {
            app.UseUnreadBodies();
            app.Run(context => context.Response.WriteAsync(longAnswer, context.RequestAborted));
        });
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(server.Urls.Single()).Port, Cancel);
        await using var tls = new SslStream(new NetworkStream(socket), false, static (_, certificate, _, _) => certificate!.Subject == "CN=one");
        await tls.AuthenticateAsClientAsync("127.0.0.1");
        var body = new string('x', 1_000_000);
        await using var requests = new StreamWriter(tls) { AutoFlush = true };

        await requests.WriteAsync($"GET / HTTP/1.1\r\nHost: broker\r\n{(told ? "Content-Length: 1000000" : "Transfer-Encoding: chunked")}\r\n\r\n{(told ? body : $"f4240\r\n{body}\r\n0\r\n\r\n")}");
        await requests.WriteAsync("GET / HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n");

        using var reader = new StreamReader(tls);
        (await reader.ReadToEndAsync(Cancel)).Split("HTTP/1.1 200 OK").Select(static answer => answer.Count(static letter => letter == '!')).ShouldBe([0, longAnswer.Length, longAnswer.Length]);
    }

    private async Task<Workloads> WorkloadsAsync(string issuer, string spiffeId, string own, string foreign, params (string Key, string? Value)[] changes)
    {
        WriteServerCertificate("one");
        var world = new BrokerWorld(
        [
            ("Tls:CertificateFile", Tls.CertificateFile), ("Tls:CertificateKeyFile", Tls.CertificateKeyFile), ("Tls:ClientAuthorityFile", Tls.ClientAuthorityFile),
            ($"Identity:Issuers:{issuer}:SpiffeId", spiffeId), .. changes,
        ]);
        X509Certificate2[] shown = [Client(authority, own), Client(authority, foreign)];
        return new(world, await world.TlsReplicaAsync(Handler(null)), world.TlsClient(Handler(shown[0])), world.TlsClient(Handler(shown[1])), shown);
    }

    private void WriteServerCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        File.WriteAllText(Tls.CertificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(Tls.CertificateKeyFile, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Tls.ClientAuthorityFile!, authority.ExportCertificatePem());
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-2), now.AddDays(2));
    }

    private static X509Certificate2 Client(X509Certificate2 by, params string[] ids) => Client(by, ids, "1.3.6.1.5.5.7.3.2");

    private static X509Certificate2 Client(X509Certificate2 by, string[] ids, string usage)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=client", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var id in ids) names.AddUri(new Uri(id));
        names.AddDnsName("client");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.Create(by, now.AddDays(-1), now.AddDays(1), RandomNumberGenerator.GetBytes(8));
        using var whole = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    private static Task<WebApplication> ServeAsync(LiveCertificates live) => ServeAsync(live, static app => app.Run(context => context.Response.WriteAsync(
        context.Connection.ClientCertificate is { } shown ? "spiffe://example.org/ns/shop/sa/orders" is var id && SpiffeIds.Holds(shown, id) ? id : "another" : "none", context.RequestAborted)));

    private static async Task<WebApplication> ServeAsync(LiveCertificates live, Action<WebApplication> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = 16_384;
            kestrel.ConfigureHttpsDefaults(live.Apply);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps());
        });
        var app = builder.Build();
        answer(app);
        await app.StartAsync(Cancel);
        return app;
    }

    private static async Task<string> ShownAsync(WebApplication server)
    {
        var shown = "";
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    shown = certificate!.Subject;
                    return shown.StartsWith("CN=", StringComparison.Ordinal);
                },
            },
        };
        using var client = new HttpClient(handler);
        await client.GetStringAsync(new Uri(server.Urls.Single()), Cancel);
        return shown;
    }

    // 1.2, because there a refused certificate fails the handshake and not the first read after it.
    private static async Task<string> SeenAsync(WebApplication server, X509Certificate2? certificate)
    {
        using var client = new HttpClient(Handler(certificate, SslProtocols.Tls12));
        return await client.GetStringAsync(new Uri(server.Urls.Single()), Cancel);
    }

    private static SocketsHttpHandler Handler(X509Certificate2? certificate, SslProtocols protocols = SslProtocols.None) => new()
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate!.Subject == "CN=one",
            ClientCertificates = certificate is null ? null : [certificate],
            LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
            EnabledSslProtocols = protocols,
        },
    };
}
