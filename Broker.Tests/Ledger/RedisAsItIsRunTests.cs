using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Contracts;
using Broker.Tests.Deployment;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>What docs/redis.md promises, on real servers.</summary>
public sealed partial class RedisAsItIsRunTests : IAsyncLifetime
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-redis-files-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The access list's line, as it stands in docs/redis.md.</summary>
    internal static string[] Acl => [.. AclLine().Match(File.ReadAllText(Repository.PathOf("docs/redis.md"))).Groups[1].Value.Split(' ')];

    public ValueTask InitializeAsync()
    {
        // Redis runs as a user of its own.
        directory.UnixFileMode |= UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        directory.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task TLS_by_a_private_authority_and_a_client_certificate_both_followed_when_they_change()
    {
        using var authority = Authority("private");
        using var other = Authority("another");
        var ca = Write("ca.pem", authority.ExportCertificatePem());
        var (server, serverKey) = Issue(authority, "server");
        var (certificate, key) = Issue(authority, "client");
        var tls = LoopbackPort.Take();
        await using var redis = await LocalRedis.StartAsync(new()
        {
            Options = ["--tls-port", $"{tls}", "--tls-cert-file", server, "--tls-key-file", serverKey, "--tls-ca-cert-file", ca, "--tls-auth-clients", "yes"],
        }, Cancellation);
        var settings = new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"127.0.0.1:{tls}"), CaFile = ca, CertificateFile = certificate, KeyFile = key };
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(settings));
        await ShouldWorkAsync(ledger);

        foreach (var wrong in new[]
        {
            settings with { CertificateFile = null, KeyFile = null },
            settings with { CaFile = Write("other.pem", other.ExportCertificatePem()) },
            settings with { CaFile = null },
        })
        {
            await using var refused = new RedisLedgerStore(RedisConnection.Open(wrong));
            await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(refused).Budgets.BudgetAsync("orders", [], Cancellation));
        }

        // A broker that comes with what nobody trusts finds its way when the files are put right.
        var (strange, strangeKey) = Issue(other, "strange");
        await using var mended = new RedisLedgerStore(RedisConnection.Open(settings with { CertificateFile = strange, KeyFile = strangeKey }));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(mended).Budgets.BudgetAsync("orders", [], Cancellation));
        File.Copy(certificate, strange, overwrite: true);
        File.Copy(key, strangeKey, overwrite: true);
        await ShouldWorkAsync(mended);
    }

    [Fact]
    public async Task A_password_that_changes_in_its_file_is_read_at_the_next_connect()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">first", .. Rights]);
        var file = Write("password", "first\n");
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(new LedgerSettings
        {
            Kind = LedgerKind.Redis,
            ConnectionString = new($"{redis.ConnectionString},user=broker"),
            PasswordFile = file,
        }));
        await ShouldWorkAsync(ledger);

        await redis.ExecuteAsync("ACL", "SETUSER", "broker", ">second");
        await File.WriteAllTextAsync(file, "second\n", Cancellation);
        await redis.ExecuteAsync("ACL", "SETUSER", "broker", "<first");
        await redis.ExecuteAsync("CLIENT", "KILL", "USER", "broker");
        await ShouldWorkAsync(ledger);
    }

    [Fact]
    public async Task The_documented_user_has_the_rights_it_needs_and_no_more()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. Rights]);
        await redis.ExecuteAsync("CONFIG", "RESETSTAT");
        var connection = RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret");
        var time = new FakeTimeProvider();
        await using var ledger = new RedisLedgerStore(connection, time: time);
        var heard = new TaskCompletionSource<string>();
        using (ledger.Listen("orders", subject => heard.TrySetResult(subject)))
        {
            await Eventually.HoldsAsync(
                async () =>
                {
                    await SampleAsync(ledger);
                    return heard.Task.IsCompleted;
                },
                "the signal is heard", Cancellation);
        }

        var ring = new RedisKeyRing(connection, new byte[32], Microsoft.Extensions.Logging.Abstractions.NullLogger<RedisKeyRing>.Instance);
        ring.StoreElement(new("key"), "key");
        ring.GetAllElements().Count.ShouldBe(1);

        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        var texts = new TextLedger(new LedgerClient(ledger));
        await Eventually.HoldsAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromSeconds(11)); // it is looked for again
                await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation);
                return (await redis.ExecuteAsync("INFO", "commandstats")).Contains("cmdstat_wait:", StringComparison.Ordinal);
            },
            "a decision waited for the replica", Cancellation);

        (await DeniedAsync(redis)).ShouldBeEmpty();
        await using var cluster = await LocalRedisCluster.StartAsync(Cancellation);
        await using var member = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{cluster.Ports[0]},allowAdmin=true");
        await using (var sharded = new RedisLedgerStore(RedisConnection.Open(cluster.ConnectionString)))
            await ShouldWorkAsync(sharded);
        var used = Used().Matches(await redis.ExecuteAsync("INFO", "commandstats")).Select(match => match.Groups[1].Value)
            .Concat(Called().Matches(string.Concat(Directory.EnumerateFiles(Repository.PathOf("Broker.Core/Ledger/Scripts"), "*.lua").Select(File.ReadAllText))).Select(match => match.Groups[1].Value.ToLowerInvariant()))
            .Concat(Used().Matches((string)(await member.GetServer("127.0.0.1", cluster.Ports[0]).ExecuteAsync("INFO", "commandstats"))!).Select(match => match.Groups[1].Value))
            .Append("auth") // by a server without HELLO
            .ToHashSet();
        foreach (var right in Acl.Where(word => word.StartsWith('+')))
            used.ShouldContain(right[1..], $"{right} is never used");

        // Nothing else is to be had by it.
        await using var thief = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},user=broker,password=secret,allowAdmin=true,tiebreaker=,configChannel=");
        foreach (var (command, words) in new (string, object[])[] { ("GET", ["broker:x"]), ("HGETALL", ["other:x"]), ("KEYS", ["*"]), ("CONFIG", ["GET", "*"]), ("FLUSHALL", []), ("ACL", ["LIST"]), ("PUBLISH", ["other", "x"]) })
            (await Should.ThrowAsync<RedisServerException>(() => thief.GetDatabase().ExecuteAsync(command, words))).Message.ShouldStartWith("NOPERM", customMessage: command);
    }

    [Fact]
    public async Task A_replica_that_takes_its_primarys_place_is_found_where_no_Sentinel_says_so()
    {
        await using var primary = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(primary, Cancellation);
        var settings = new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"{primary.ConnectionString},{replica.ConnectionString}") };
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(settings));
        await ShouldWorkAsync(ledger);

        await primary.KillAsync();
        await replica.PromoteAsync();

        await ShouldWorkAsync(ledger);
        // The client's own round is a minute.
        RedisOptions.Of(settings, NullLogger.Instance).ConfigCheckSeconds.ShouldBe(1);
    }

    [Fact]
    public async Task Sentinel_is_waited_for_and_its_new_primary_is_followed()
    {
        await using var servers = await LocalRedisSentinel.StartServersAsync(Cancellation);
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(servers.ConnectionString));
        var heard = 0;
        using var listening = ledger.Listen("orders", _ => Interlocked.Increment(ref heard));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(ledger).Budgets.BudgetAsync("orders", [], Cancellation));

        await servers.StartSentinelAsync(Cancellation);
        await ShouldWorkAsync(ledger);
        await SignalShouldArriveAsync();
        await servers.Primary.StopAsync();
        await ShouldWorkAsync(ledger);
        (await servers.Replica.ExecuteAsync("INFO", "replication")).ShouldContain("role:master");
        await SignalShouldArriveAsync();

        Task SignalShouldArriveAsync()
        {
            var before = Volatile.Read(ref heard);
            return Eventually.HoldsAsync(
                async () =>
                {
                    await SampleAsync(ledger);
                    return Volatile.Read(ref heard) > before;
                },
                "a signal is heard", Cancellation);
        }
    }

    [Fact]
    public async Task Ledgers_with_different_prefixes_share_nothing()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        LedgerSettings Of(string prefix) => new() { Kind = LedgerKind.Redis, ConnectionString = new(redis.ConnectionString), Prefix = prefix };
        await using var one = new RedisLedgerStore(RedisConnection.Open(Of("broker-one")));
        await using var two = new RedisLedgerStore(RedisConnection.Open(Of("broker-two")));
        var heard = new List<string>();
        using var listening = two.Listen("orders", heard.Add);
        (await new TextLedger(new LedgerClient(one)).ReplaceSharedAsync("name", null, "text", Cancellation)).ShouldBeTrue();
        await SampleAsync(one);
        (await new TextLedger(new LedgerClient(two)).ReadSharedAsync("name", Cancellation)).ShouldBeNull();
        (await new TextLedger(new LedgerClient(one)).ReadSharedAsync("name", Cancellation))!.Value.Text.ShouldBe("text");
        (await redis.ExecuteAsync("DBSIZE")).ShouldNotBe("0");
        await using var admin = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        await foreach (var key in admin.GetServer(redis.Host, redis.Port).KeysAsync()) key.ToString().ShouldStartWith("broker-one:{");
        heard.ShouldBeEmpty();
    }

    internal static object[] Rights => [.. Acl.SkipWhile(word => word != "resetkeys")];

    private static async Task<string[]> DeniedAsync(LocalRedis redis)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},allowAdmin=true");
        var log = (RedisResult[])(await connection.GetServer(redis.Host, redis.Port).ExecuteAsync("ACL", "LOG"))!;
        return [.. log.Select(entry => string.Join(' ', ((RedisResult[])entry!).Select(word => word.ToString())))];
    }

    private static async ValueTask SampleAsync(RedisLedgerStore ledger) =>
        await new SharedLedger(ledger).Budgets.SampleAsync("orders", 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);

    private static Task ShouldWorkAsync(RedisLedgerStore ledger) => Eventually.HoldsAsync(
        async () =>
        {
            try
            {
                await new SharedLedger(ledger).Budgets.BudgetAsync("orders", [], Cancellation);
                return true;
            }
            catch (LedgerException)
            {
                return false;
            }
        },
        "Redis takes decisions", Cancellation);

    private string Write(string name, string text)
    {
        var path = Path.Combine(directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(2));
    }

    private (string Certificate, string Key) Issue(X509Certificate2 authority, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
        using var certificate = request.Create(authority, TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddDays(1), RandomNumberGenerator.GetBytes(8));
        return (Write(name + ".crt", certificate.ExportCertificatePem()), Write(name + ".key", key.ExportPkcs8PrivateKeyPem()));
    }

    [GeneratedRegex("(?m)^user broker on >PASSWORD (.*)$")]
    private static partial Regex AclLine();

    [GeneratedRegex("cmdstat_([^:]+):")]
    private static partial Regex Used();

    [GeneratedRegex("call\\('([A-Z]+)'")]
    private static partial Regex Called();
}

/// <summary>The whole contract, as the user that docs/redis.md describes.</summary>
public sealed class RedisLeastRightsLedgerTests(RedisLeastRightsLedgerTests.Server server) : LedgerContract, IClassFixture<RedisLeastRightsLedgerTests.Server>
{
    protected override ILedgerStore Store => server.Store;

    protected override async Task TamperAsync(string key, string field, string value) => await server.ExecuteAsync("HSET", key, field, value);

    public sealed class Server : IAsyncLifetime
    {
        private LocalRedis redis = null!;

        public RedisLedgerStore Store { get; private set; } = null!;

        public Task ExecuteAsync(string command, params object[] words) => redis.ExecuteAsync(command, words);

        public async ValueTask InitializeAsync()
        {
            redis = await LocalRedis.StartAsync(cancellation: TestContext.Current.CancellationToken);
            await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights]);
            Store = new(RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret"));
        }

        public async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await redis.DisposeAsync();
        }
    }
}
