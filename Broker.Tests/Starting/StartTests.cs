using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Broker.Api.Starting;
using Broker.Tests.Ledger;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace Broker.Tests.Starting;

/// <summary>Starts that come to nothing: one line that says what to mend, exit code 1, and no stack trace.</summary>
public sealed class StartTests(SharedServers servers) : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-start-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task A_word_that_is_no_verb_is_a_mistake_and_starts_no_server()
    {
        var (code, said) = await RunAsync([], "bogus");
        code.ShouldBe(2);
        said.ShouldContain("'bogus'");
    }

    [Theory]
    [InlineData("appsettings.json")]
    [InlineData("config/broker.json")]
    public async Task A_file_that_is_cut_off_is_named(string file)
    {
        Directory.CreateDirectory(Path.Combine(directory, "config"));
        await File.WriteAllTextAsync(Path.Combine(directory, file), "{ \"Broker\": {", Cancel);
        await FailsAsync([], file, "not JSON");
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named() =>
        await FailsAsync([("BROKER_CONFIG", "/nowhere/broker.json")], "/nowhere/broker.json", "BROKER_CONFIG");

    [Fact]
    public async Task A_port_that_is_taken_is_named()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = $"http://{taken.LocalEndpoint}";
        await FailsAsync([("BROKER_CONFIG", Configuration()), ("ASPNETCORE_URLS", address)], address, "Another process has the port");
    }

    [Fact]
    public async Task A_service_that_breaks_while_others_start_is_what_is_told()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostedService, Breaking>().AddSingleton<IHostedService, Starting>();
        builder.WebHost.UseUrls("http://127.0.0.1:0");

        (await Should.ThrowAsync<InvalidDataException>(() => builder.Build().ServeAsync())).Message.ShouldBe("what it met");
    }

    private sealed class Breaking : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => throw new InvalidDataException("what it met");
    }

    private sealed class Starting : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Fact]
    public async Task A_signing_key_that_is_none_is_named()
    {
        var key = Path.Combine(directory, "key.pem");
        await File.WriteAllTextAsync(key, "no key", Cancel);
        await FailsAsync([("BROKER_CONFIG", Configuration(broker => broker["Audit"]!["SigningKeyFile"] = key))], "SigningKeyFile", "EC private key");
    }

    [Fact]
    public async Task Where_the_audit_cannot_be_written_the_broker_is_not_ready_and_says_why()
    {
        var postgres = await servers.PostgresAsync();
        await using var broker = await ServeAsync(Configuration(settings =>
        {
            settings["Databases"]!["orders"] = DatabaseOf(postgres);
            settings["Audit"]!["Path"] = Path.Combine(directory, "nowhere", "audit.jsonl");
        }));
        await Eventually.HoldsAsync(async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains("the audit cannot be written"), "it says why", Cancel);

        Directory.CreateDirectory(Path.Combine(directory, "nowhere"));
        await Eventually.HoldsAsync(async () => (await broker.ReadyAsync())?.Status == HttpStatusCode.OK, "it heals by itself", Cancel);
    }

    [Theory]
    [InlineData("dd if=/dev/zero of=full/fill bs=1k 2>/dev/null", "No space left on device", "The disk is full: make room, or put the file elsewhere.")]
    [InlineData("mount -o remount,ro full", "Read-only file system", "Mount it writable, or put the file elsewhere.")]
    public async Task A_place_that_takes_no_more_is_found_by_a_check_and_named_while_it_runs(string spoil, string words, string mend)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && Audit.AuditFolder.TryRun("unshare", "-Urm", "sh", "-c", $"mount -t tmpfs -o size=64k none {Directory.CreateDirectory(Path.Combine(directory, "full"))}"), "Needs a user namespace of its own (unshare -Urm).");
        string[] inThere = ["unshare", "-Urm", "sh", "-c", $"mount -t tmpfs -o size=64k none full && mkdir full/keys; {spoil}; exec \"$0\" \"$@\""];
        string Place(string name) => Path.Combine(directory, "full", name);
        var all = Configuration(settings =>
        {
            settings["Audit"]!["Path"] = Place("audit.jsonl");
            settings["Ledger"] = new JsonObject { ["Kind"] = "File", ["Path"] = Place("ledger.db") };
            settings["Sealing"] = new JsonObject { ["Directory"] = Place("keys") };
        });

        var (code, said) = await RunAsync(inThere, [("BROKER_CONFIG", all)], "check", "--no-users");
        code.ShouldBe(1, said);
        foreach (var place in new[] { $"audit {Place("audit.jsonl")}", "ledger", $"sealing keys {Place("keys")}" })
            Unwrapped(said).Split("FAILS    ").ShouldContain(line => line.StartsWith(place + ": ") && line.Contains(words) && line.Contains(mend), Unwrapped(said));
        (code, said) = await RunAsync(inThere, [("BROKER_CONFIG", all)], "admin-token");
        code.ShouldBe(2, said);
        said.ShouldContain(words);
        said.ShouldNotContain("   at Broker");

        foreach (var (section, key, name, why) in new[]
        {
            ("Audit", "Path", "audit.jsonl", "the audit cannot be written"),
            ("Sealing", "Directory", "keys", "The keys that seal what is in the ledger cannot be obtained (Broker:Sealing)"),
        })
        {
            var keys = Directory.CreateDirectory(Path.Combine(directory, "keys"));
            await using var broker = await ServeAsync(
                Configuration(settings =>
                {
                    settings["Audit"]!["Path"] = Path.Combine(directory, $"audit-{section}.jsonl");
                    settings["Ledger"] = new JsonObject { ["Kind"] = "File", ["Path"] = Path.Combine(directory, $"ledger-{section}.db") };
                    settings["Sealing"] = new JsonObject { ["Directory"] = keys.FullName };
                    settings[section]![key] = Place(name);
                }),
                inThere);
            await Eventually.HoldsAsync(
                async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains(why) && ready.Text.Contains(words), "it says why", Cancel);
        }
    }

    [Fact]
    public async Task A_host_without_inotify_instances_polls_its_files_and_serves()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Audit.AuditFolder.TryRun("unshare", "-Ur", "sh", "-c", "echo 1 > /proc/sys/user/max_inotify_instances"), "Needs a user namespace of its own (unshare -Ur).");
        var postgres = await servers.PostgresAsync();
        await using var broker = await ServeAsync(Configuration(settings => settings["Databases"]!["orders"] = DatabaseOf(postgres)), "unshare", "-Ur", "sh", "-c", "echo 1 > /proc/sys/user/max_inotify_instances; exec \"$0\" \"$@\"");
        await Eventually.HoldsAsync(async () => (await broker.ReadyAsync())?.Status == HttpStatusCode.OK, "it serves", Cancel);
        await SaysAsync(broker, "every four seconds");
    }

    [Fact]
    public async Task What_reads_well_and_means_nothing_is_told_and_what_would_fail_is_found_by_a_check()
    {
        var configuration = Configuration(broker =>
        {
            broker["Roles"]!["orders-api"]!["Allow"]![0]!["Claims"] = new JsonObject { ["namespaces"] = "shop" };
            broker["Databases"]!["again"] = broker["Databases"]!["orders"]!.DeepClone();
        });
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");
        code.ShouldBe(1);
        said.ShouldContain("Do you mean 'namespace'?");
        said.ShouldContain("is on the same server as again");
        said.ShouldContain("FAILS    database orders");
        said.ShouldNotContain("   at ");
    }

    [Theory]
    [InlineData("CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'", 0, "could log in")]
    [InlineData("CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' IN ROLE nobody_made_this", 1, "nobody_made_this")]
    [InlineData("CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'", 1, "not permitted to log in")]
    public async Task Creation_statements_are_tried_by_a_check_and_leave_no_user(string statement, int wanted, string what)
    {
        await using var postgres = await LocalPostgres.StartAsync(new(), Cancel);
        var configuration = Configuration(broker =>
        {
            broker["Databases"]!["orders"] = DatabaseOf(postgres);
            broker["Roles"]!["orders-api"]!["CreationStatements"] = new JsonArray(statement);
        });
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");

        code.ShouldBe(wanted, said);
        said.ShouldContain(what);
        await using var admin = new Npgsql.NpgsqlConnection(postgres.AdminConnectionString);
        await admin.OpenAsync(Cancel);
        await using var left = new Npgsql.NpgsqlCommand("SELECT count(*) FROM pg_roles WHERE rolname LIKE '%orders%'", admin);
        (await left.ExecuteScalarAsync(Cancel)).ShouldBe(0L);
    }

    [Fact]
    public async Task A_poolers_list_of_users_is_tried_by_a_check()
    {
        await using var postgres = await LocalPostgres.StartAsync(new(), Cancel);
        await using var pgBouncer = await LocalPgBouncer.StartAsync(postgres, new() { ReadsUsers = true }, Cancel);
        var configuration = Configuration(broker =>
        {
            var database = DatabaseOf(postgres);
            database["Pooler"] = new JsonObject
            {
                ["Kind"] = "PgBouncer",
                ["Host"] = "127.0.0.1",
                ["Port"] = pgBouncer.Port,
                ["PoolSize"] = 4,
                ["ConsoleConnectionString"] = pgBouncer.ConsoleConnectionString,
                ["UserList"] = pgBouncer.UserList,
            };
            broker["Databases"]!["orders"] = database;
        });
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");
        code.ShouldBe(0, said);
        Unwrapped(said).ShouldContain($"Its user list {pgBouncer.UserList} can be written.");
        said.ShouldContain("could log in");

        File.Delete(pgBouncer.UserList);
        (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check", "--no-users");
        code.ShouldBe(1, said);
        Unwrapped(said).ShouldContain($"The pooler's UserList {pgBouncer.UserList} cannot be written: there is no such file.");
    }

    [Fact]
    public async Task A_broker_that_can_serve_no_role_is_not_ready_and_says_what_has_not_answered_until_it_has()
    {
        await using var postgres = await LocalPostgres.StartAsync(new(), Cancel);
        var right = DatabaseOf(postgres);
        await using var admin = new Npgsql.NpgsqlConnection(postgres.AdminConnectionString);
        await admin.OpenAsync(Cancel);
        right["AdminConnectionString"] = "Username=late;Password=late";
        await using var broker = await ServeAsync(Configuration(settings => settings["Databases"]!["orders"] = right));
        await Eventually.HoldsAsync(
            async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains("database 'orders' has not answered yet"), "it says what is missing", Cancel);
        await SaysAsync(broker, "Claims that need database 'orders' cannot be served yet");

        await using (var late = new Npgsql.NpgsqlCommand("CREATE ROLE late LOGIN SUPERUSER PASSWORD 'late'", admin)) await late.ExecuteNonQueryAsync(Cancel);
        await Eventually.HoldsAsync(async () => (await broker.ReadyAsync())?.Status == HttpStatusCode.OK, "it heals by itself", Cancel);
    }

    [Fact]
    public async Task Variables_of_clients_in_the_environment_change_no_connection_and_are_told()
    {
        var postgres = await servers.PostgresAsync();
        var configuration = Configuration(settings => settings["Databases"]!["orders"] = DatabaseOf(postgres));
        (string Name, string Value)[] variables =
        [
            ("PGUSER", "nobody"), ("PGPASSWORD", "wrong"), ("PGPASSFILE", "/nowhere"), ("PGOPTIONS", "-c default_transaction_read_only=on"), ("PGAPPNAME", "else"), ("PGTARGETSESSIONATTRS", "standby"),
            ("PGSSLCERT", "/nowhere"), ("PGSSLKEY", "/nowhere"), ("PGSSLROOTCERT", "/nowhere"), ("PGSSLNEGOTIATION", "direct"), ("PGGSSENCMODE", "require"), ("PGREQUIREAUTH", "none"),
            ("PGCLIENTENCODING", "EUC_JP"), ("PGTZ", "Nowhere"),
            ("SERedis_IssuerCertPath", "/nowhere"), ("SERedis_ClientCertPfxPath", "/nowhere"),
        ];
        // These name where libpq's programs connect to; Npgsql does not read them.
        (string, string)[] others = [("PGHOST", "nowhere.invalid"), ("PGPORT", "1"), ("PGDATABASE", "else"), ("PGSSLMODE", "disable"), ("PGSERVICE", "else"), ("MYSQL_PWD", "wrong"), ("MYSQL_HOST", "nowhere.invalid")];
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration), .. variables, .. others], "check");
        code.ShouldBe(0, said);
        foreach (var (name, _) in variables) Unwrapped(said).ShouldContain($"{name} is set in the environment and is ignored");
        foreach (var (name, _) in others) said.ShouldNotContain(name + " is set");
    }

    [Fact]
    public async Task Without_Kerberos_as_in_the_image_PostgreSQL_is_reached_and_nothing_is_said_of_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Its library is looked for by name on Linux alone.");
        var postgres = await servers.PostgresAsync();
        var configuration = Configuration(settings => settings["Databases"]!["orders"] = DatabaseOf(postgres));
        await File.WriteAllTextAsync(Path.Combine(directory, "libgssapi_krb5.so.2"), "no library", Cancel); // is found first

        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration), ("LD_LIBRARY_PATH", directory)], "check", "--no-users");

        code.ShouldBe(0, said);
        said.ShouldNotContain("libgssapi");
    }

    [Fact]
    public async Task Files_that_PostgreSQLs_client_finds_at_home_are_told()
    {
        var postgres = await servers.PostgresAsync();
        var configuration = Configuration(settings => settings["Databases"]!["orders"] = DatabaseOf(postgres));
        var home = Directory.CreateDirectory(Path.Combine(directory, "home")).FullName;
        (await RunAsync([("BROKER_CONFIG", configuration), ("HOME", home)], "check")).Said.ShouldNotContain("exists, and the broker's connections");

        Directory.CreateDirectory(Path.Combine(home, ".postgresql"));
        string[] files = [".pgpass", ".postgresql/postgresql.crt", ".postgresql/postgresql.key", ".postgresql/root.crt"];
        foreach (var file in files) await File.WriteAllTextAsync(Path.Combine(home, file), "", Cancel);
        var (_, said) = await RunAsync([("BROKER_CONFIG", configuration), ("HOME", home)], "check");
        foreach (var file in files) Unwrapped(said).ShouldContain($"{Path.Combine(home, file)} exists, and the broker's connections to PostgreSQL take ");
    }

    [Fact]
    public async Task A_broker_without_an_identity_issuers_keys_is_not_ready_and_a_check_says_why()
    {
        var postgres = await servers.PostgresAsync();
        var configuration = Configuration(settings =>
        {
            settings["Databases"]!["orders"] = DatabaseOf(postgres);
            settings["Identity"]!["Issuers"]!["k"] = new JsonObject { ["Authority"] = "http://127.0.0.1:1", ["Audience"] = "broker" };
        });
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");
        code.ShouldBe(1, said);
        said.ShouldContain("FAILS    identity issuer k");

        await using var broker = await ServeAsync(configuration);
        await Eventually.HoldsAsync(
            async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains("identity issuer 'k' has not answered yet"), "it says what is missing", Cancel);
    }

    [Fact]
    public async Task An_identity_issuer_that_publishes_no_key_fails_a_check()
    {
        var configuration = Configuration();
        await File.WriteAllTextAsync(Path.Combine(directory, "jwks.json"), """{"keys":[]}""", Cancel);
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check", "--no-users");
        code.ShouldBe(1, said);
        Unwrapped(said).ShouldContain("FAILS    identity issuer k: has no usable key: none of its tokens can be verified.");
        Unwrapped(said).ShouldContain("2 checks failed. Fix what the lines marked FAILS say, and check again.");
    }

    [Fact]
    public async Task What_is_guaranteed_and_cannot_be_kept_on_the_server_that_there_is_is_refused_by_a_check_and_at_start()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancel);
        var configuration = Configuration(settings =>
        {
            settings["Databases"]!["orders"] = DatabaseOf(postgres);
            settings["Roles"]!["orders-api"]!["Connections"] = new JsonObject { ["Guaranteed"] = 500 };
        });
        const string words = "500 connections are guaranteed on database 'orders' (500 to orders-api), but no more than";
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");
        code.ShouldBe(1, said);
        said.ShouldContain("FAILS    database orders");
        said.ShouldContain(words);

        await using var broker = await ServeAsync(configuration);
        await Eventually.HoldsAsync(
            async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains(words), "it says why", Cancel);
    }

    [Fact]
    public async Task What_is_guaranteed_on_two_databases_of_one_server_and_cannot_be_kept_together_is_refused_by_a_check_and_at_start()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancel);
        var configuration = Configuration(settings =>
        {
            settings["Databases"]!["orders"] = DatabaseOf(postgres);
            settings["Databases"]!["billing"] = DatabaseOf(postgres);
            settings["Roles"]!["orders-api"]!["Connections"] = new JsonObject { ["Guaranteed"] = 10 };
            settings["Roles"]!["billing-api"] = settings["Roles"]!["orders-api"]!.DeepClone();
            settings["Roles"]!["billing-api"]!["Database"] = "billing";
        });
        const string words = "20 connections are guaranteed on the databases of one server (on 'billing' 10 to billing-api; on 'orders' 10 to orders-api), but no more than";
        var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check");
        code.ShouldBe(1, said);
        said.ShouldContain("FAILS    server of billing, orders");
        said.ShouldContain(words);

        await using var broker = await ServeAsync(configuration);
        await Eventually.HoldsAsync(
            async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains(words), "it says why", Cancel);
    }

    [Fact]
    public async Task A_broker_that_can_serve_one_role_is_ready_and_says_what_others_lack()
    {
        var postgres = await servers.PostgresAsync();
        await using var broker = await ServeAsync(Configuration(settings =>
        {
            settings["Databases"]!["gone"] = settings["Databases"]!["orders"]!.DeepClone();
            settings["Databases"]!["orders"] = DatabaseOf(postgres);
            settings["Roles"]!["gone-api"] = settings["Roles"]!["orders-api"]!.DeepClone();
            settings["Roles"]!["gone-api"]!["Database"] = "gone";
        }));
        await Eventually.HoldsAsync(
            async () => await broker.ReadyAsync() is { Status: HttpStatusCode.OK } ready && ready.Text.Contains("database 'gone' has not answered yet"), "it serves, and says what is missing", Cancel);
    }

    [Fact]
    public async Task A_Redis_that_lets_the_broker_do_too_little_or_drops_keys_is_named_alike_by_a_check_and_by_the_replica_that_waits()
    {
        var postgres = await servers.PostgresAsync();
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancel);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights, "-zrem"]);
        var keys = Directory.CreateTempSubdirectory("broker-start-keys-");
        try
        {
            var configuration = Configuration(settings =>
            {
                settings["Databases"]!["orders"] = DatabaseOf(postgres);
                settings["Ledger"] = new JsonObject { ["Kind"] = "Redis", ["ConnectionString"] = redis.ConnectionString + ",user=broker,password=secret" };
                settings["Sealing"] = new JsonObject { ["Directory"] = keys.FullName };
            });
            await using var broker = await ServeAsync(configuration);
            foreach (var (mend, words) in new (object[] Mend, string Words)[]
            {
                (["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"], "run ACL SETUSER broker +zrem on each of its servers (docs/redis.md)"),
                (["CONFIG", "SET", "maxmemory-policy", "noeviction"], $"Redis {redis.ConnectionString} evicts keys when its memory is full (maxmemory-policy allkeys-lru)"),
            })
            {
                var (code, said) = await RunAsync([("BROKER_CONFIG", configuration)], "check", "--no-users");
                code.ShouldBe(1, said);
                Unwrapped(said).ShouldContain("FAILS    ledger: ");
                Unwrapped(said).ShouldContain(words);
                await Eventually.HoldsAsync(
                    async () => await broker.ReadyAsync() is { Status: HttpStatusCode.ServiceUnavailable } ready && ready.Text.Contains(words), "it says why it is not ready", Cancel);
                await SaysAsync(broker, words);
                await redis.ExecuteAsync("ACL", "SETUSER", "broker", "+zrem");
                await redis.ExecuteAsync((string)mend[0], mend[1..]);
            }

            await Eventually.HoldsAsync(async () => (await broker.ReadyAsync())?.Status == HttpStatusCode.OK, "it heals by itself", Cancel);
            Unwrapped((await RunAsync([("BROKER_CONFIG", configuration)], "check", "--no-users")).Said).ShouldContain("good     ledger: answers, permits everything the broker needs, and evicts no keys.");
        }
        finally
        {
            keys.Delete(recursive: true);
        }
    }

    // A console that is none is taken for one of eighty columns.
    private static string Unwrapped(string said) => string.Join(' ', said.Split('\n', StringSplitOptions.TrimEntries));

    // The log comes through a queue and a pipe, after whatever it tells of.
    private static Task SaysAsync(Serving broker, string words) => Eventually.HoldsAsync(() => Task.FromResult(broker.Said.Contains(words, StringComparison.Ordinal)), $"it says '{words}'", Cancel);

    private static JsonObject DatabaseOf(LocalPostgres postgres) => BrokerConfiguration.Database("PostgreSql", postgres);

    private async Task FailsAsync((string, string)[] environment, params string[] words)
    {
        var (code, said) = await RunAsync(environment);
        code.ShouldBe(1, said);
        foreach (var word in words) said.ShouldContain(word);
        said.ShouldNotContain("   at ", customMessage: "no stack trace");
        said.ShouldNotContain("Unhandled");
    }

    private string Configuration(Action<JsonNode>? change = null)
    {
        var keys = Path.Combine(directory, "jwks.json");
        File.WriteAllText(keys, SmallestConfiguration.KeySet);
        var whole = JsonNode.Parse("""
            {"Broker":{"Ledger":{"Kind":"InProcess"},"Audit":{"Path":"DIRECTORY/audit.jsonl"},"Issuers":{"here":{"Kind":"BuiltIn"}},
            "Databases":{"orders":{"Engine":"PostgreSql","Host":"127.0.0.1","Port":1,"Name":"app","AdminConnectionString":"Username=x;Password=y"}},
            "Roles":{"orders-api":{"Database":"orders","Issuer":"here","CreationStatements":["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],"Allow":[{"Issuer":"k","Claims":{"namespace":"x"}}]}},
            "Identity":{"Issuers":{"k":{"Issuer":"https://issuer.example","JwksFile":"KEYS","Audience":"broker"}}}}}
            """.Replace("DIRECTORY", directory, StringComparison.Ordinal).Replace("KEYS", keys, StringComparison.Ordinal))!;
        change?.Invoke(whole["Broker"]!);
        var file = Path.Combine(directory, "given.json");
        File.WriteAllText(file, whole.ToJsonString());
        return file;
    }

    private ProcessStartInfo Start((string Key, string Value)[] environment, string[] before, string[] arguments)
    {
        string[] all = [.. before, ServerProgram.DotNet(), BrokerProgram.Find(), .. arguments];
        var start = new ProcessStartInfo(all[0], all[1..]) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("BROKER_CONFIG");
        foreach (var (key, value) in environment) start.Environment[key] = value;
        return start;
    }

    private Task<(int Code, string Said)> RunAsync((string, string)[] environment, params string[] arguments) => RunAsync([], environment, arguments);

    // Where a slow machine took longer than a check waits, nothing was found out, and it is made again.
    private async Task<(int Code, string Said)> RunAsync(string[] before, (string, string)[] environment, params string[] arguments)
    {
        var ran = await RunOnceAsync(before, environment, arguments);
        for (var again = 0; again < 10 && Unwrapped(ran.Said).Contains("did not answer within", StringComparison.Ordinal); again++) ran = await RunOnceAsync(before, environment, arguments);
        return ran;
    }

    private async Task<(int Code, string Said)> RunOnceAsync(string[] before, (string, string)[] environment, string[] arguments)
    {
        using var process = Process.Start(Start(environment, before, arguments))!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        deadline.CancelAfter(TimeSpan.FromMinutes(5));
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, await error + await output);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    // Answers once it listens, on a port that nobody else took first.
    private Task<Serving> ServeAsync(string configuration, params string[] before) => LoopbackPort.StartOnAsync(async port =>
    {
        var address = new Uri($"http://127.0.0.1:{port}");
        var serving = new Serving(Process.Start(Start([("BROKER_CONFIG", configuration), ("ASPNETCORE_URLS", address.OriginalString)], before, []))!, address);
        try
        {
            await Eventually.HoldsAsync(async () => await serving.ReadyAsync() is not null, "it listens", Cancel);
            return serving;
        }
        catch
        {
            await serving.DisposeAsync();
            throw;
        }
    });

    private sealed class Serving : IAsyncDisposable
    {
        private readonly Process process;
        private readonly HttpClient client;
        private readonly System.Text.StringBuilder said = new();

        public Serving(Process process, Uri address)
        {
            (this.process, client) = (process, new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(1) });
            process.OutputDataReceived += (_, line) => Hear(line.Data);
            process.ErrorDataReceived += (_, line) => Hear(line.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        public string Said
        {
            get { lock (said) return said.ToString(); }
        }

        public async Task<(HttpStatusCode Status, string Text)?> ReadyAsync()
        {
            (HttpStatusCode, string)? ready = null;
            try
            {
                using var answer = await client.GetAsync(new Uri("/health/ready", UriKind.Relative), Cancel);
                ready = (answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancel));
            }
            catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !Cancel.IsCancellationRequested))
            {
                // Not yet.
            }

            // Looked at after the answer, which may be another server's that has the port.
            if (!process.HasExited) return ready;
            await process.WaitForExitAsync(Cancel);
            throw new ServerStartException($"The broker has ended:\n{Said}") { PortTaken = Said.Contains("Another process has the port", StringComparison.Ordinal) };
        }

        public async ValueTask DisposeAsync()
        {
            client.Dispose();
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }

        private void Hear(string? line)
        {
            lock (said) said.AppendLine(line);
        }
    }
}
