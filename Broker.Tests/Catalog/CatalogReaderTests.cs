using System.Text;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Extensions.Configuration;
using Shouldly;
using Xunit;

namespace Broker.Tests.Catalog;

public class CatalogReaderTests
{
    [Fact]
    public void A_right_configuration_becomes_a_snapshot_with_the_documented_defaults()
    {
        var reading = Configured.Read();

        reading.Errors.ShouldBeEmpty();
        var database = reading.Catalog!.Databases["orders"];
        database.Port.ShouldBe(5432);
        database.AdminConnectionString.Reveal().ShouldBe("Host=orders-db;Password=secret-two");
        database.Budget.ShouldBe(new BudgetSettings());
        database.Issuing.ShouldBe(new PaceSettings());
        var vault = reading.Catalog.Issuers["vault"].ShouldBeOfType<VaultIssuerDefinition>();
        vault.Auth.ShouldBe(new VaultTokenAuth(new SecretSource(new Secret("hvs.secret-one"), null)));
        reading.Catalog.Issuers["here"].ShouldBeOfType<BuiltInIssuerDefinition>();
        var role = reading.Catalog.Roles["orders-api"];
        role.Connections.ShouldBe(new ConnectionSettings());
        (role.HolderTtl, role.IdleTtl, role.Sharing).ShouldBe((TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(10), SharingScope.Role));
        role.Allow[0].Claims.ToDictionary(claim => claim.Key, claim => claim.Value.ToString())
            .ShouldBe(new Dictionary<string, string> { ["namespace"] = "orders", ["serviceaccount"] = "orders-api" }, ignoreOrder: true);
        reading.Settings.ShouldBe(new BrokerSettings());
    }

    // As k8s/README.md writes it: everything else has a default.
    [Theory]
    [InlineData("Identity:Issuers:kubernetes:Pods", "Identity:Issuers:kubernetes:Pods:CaFile")]
    [InlineData("Identity:Issuers:kubernetes:TokenReview", "Identity:Issuers:kubernetes:TokenReview")]
    [InlineData("Page:SignIn", "Page:SignIn:Issuer")]
    [InlineData("Roles:orders-api:Static", "Roles:orders-api:Static:Usernames")]
    [InlineData("Databases:orders:Pooler", "Databases:orders:Pooler:Kind")]
    [InlineData("VaultApi:Upstream", "VaultApi:Upstream:Address")]
    [InlineData("Audit:Syslog", "Audit:Syslog:Address")]
    [InlineData("Audit:Otlp", "Audit:Otlp:Endpoint")]
    [InlineData("Tls", "Tls:CertificateFile")]
    public void A_group_in_which_nothing_stands_is_there_and_what_it_needs_is_asked_for(string group, string needed)
    {
        var json = group.Split(':').Reverse().Aggregate("{}", (inner, name) => $"{{ \"{name}\": {inner} }}");
        var root = new ConfigurationBuilder().AddConfiguration(Configured.With()).AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($"{{ \"Broker\": {json} }}"))).Build();
        CatalogReader.Read(root).Errors.Select(error => error.Path).ShouldContain("Broker:" + needed);
    }

    [Theory]
    [InlineData("broker-staging", true)]
    [InlineData("team/a.b:c_1", true)]
    [InlineData("broker{a}", false)] // would move the hash tag
    [InlineData("{broker", false)]
    [InlineData("broker*", false)] // and these would be read as a pattern by an access list
    [InlineData("brok?r", false)]
    [InlineData("broker[12]", false)]
    [InlineData("my broker", false)]
    [InlineData("bröker", false)]
    public void A_prefix_in_Redis_is_of_letters_digits_and_a_few_signs(string prefix, bool isGood)
    {
        var errors = Configured.Read(("Ledger:Kind", "Redis"), ("Ledger:ConnectionString", "redis:6379"), ("Ledger:Prefix", prefix)).Errors;
        errors.Any(error => error.Path == "Broker:Ledger:Prefix").ShouldBe(!isGood);
    }

    [Theory]
    [InlineData("ENCRYPTED PRIVATE KEY", "", true)]
    [InlineData("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", true)]
    [InlineData("PRIVATE KEY", "", false)]
    [InlineData("EC PRIVATE KEY", "", false)]
    public void A_key_that_needs_a_password_is_told_wherever_a_key_is_named(string form, string header, bool isTold)
    {
        var key = Path.GetTempFileName();
        try
        {
            File.WriteAllText(key, $"-----BEGIN {form}-----\n{header}AAAA\n-----END {form}-----\n");
            foreach (var (certificate, named) in new[] { ("Ledger:CertificateFile", "Ledger:KeyFile"), ("Tls:CertificateFile", "Tls:CertificateKeyFile"), ("Sealing:CertificateFile", "Sealing:CertificateKeyFile") })
            {
                var errors = Configured.Read(("Ledger:Kind", "Redis"), ("Ledger:ConnectionString", "redis:6379"), (certificate, ConfigurationDocumentTests.Pem), (named, key)).Errors;
                errors.Any(error => error.Path == "Broker:" + named && error.Problem.Contains("encrypted", StringComparison.Ordinal)).ShouldBe(isTold, named);
            }
        }
        finally
        {
            File.Delete(key);
        }
    }

    private static (string, string?)[] PoolerOf(string database) =>
    [
        ($"Databases:{database}:Pooler:Kind", "PgBouncer"), ($"Databases:{database}:Pooler:Host", "pooler"), ($"Databases:{database}:Pooler:PoolSize", "20"),
        ($"Databases:{database}:Pooler:ConsoleConnectionString", "Username=console;Password=secret-three"),
    ];

    [Fact]
    public void A_pooler_is_read_and_pods_see_its_address()
    {
        var catalog = Configured.Read([.. PoolerOf("orders"), ("Databases:orders:Pooler:Name", "pooled")]).Catalog!;
        var database = catalog.Databases["orders"];
        var pooler = database.Pooler.ShouldNotBeNull();
        (pooler.Kind, pooler.Host, pooler.Port, pooler.DatabaseName, pooler.PoolSize, pooler.AuthUser).ShouldBe((PoolerKind.PgBouncer, "pooler", 6432, "pooled", 20, null));
        var seen = database.SeenBy(catalog.Roles["orders-api"]);
        (seen.Host, seen.Port, seen.DatabaseName).ShouldBe(("pooler", 6432, "pooled"));
        pooler.UserList.ShouldBeNull();
        Configured.Read([.. PoolerOf("orders"), ("Databases:orders:Pooler:UserList", "/etc/pgbouncer/userlist.txt")]).Catalog!.Databases["orders"].Pooler!.UserList.ShouldBe("/etc/pgbouncer/userlist.txt");
        (database.Host, database.Port, database.DatabaseName).ShouldBe(("orders-db", 5432, "app"));
        Configured.Read().Catalog!.Databases["orders"].Pooler.ShouldBeNull();
    }

    [Theory]
    [InlineData("Databases:orders:Pooler:Kind", "", "Databases:orders:Pooler:Kind")]
    [InlineData("Databases:orders:Pooler:Kind", "Pgpool", "Databases:orders:Pooler:Kind")]
    [InlineData("Databases:orders:Pooler:Host", "", "Databases:orders:Pooler:Host")]
    [InlineData("Databases:orders:Pooler:PoolSize", "", "Databases:orders:Pooler:PoolSize")]
    [InlineData("Databases:orders:Pooler:PoolSize", "3", "Databases:orders:Pooler:PoolSize")]
    [InlineData("Databases:orders:Pooler:ConsoleConnectionString", "", "Databases:orders:Pooler:ConsoleConnectionString")]
    [InlineData("Databases:orders:Pooler:Size", "3", "Databases:orders:Pooler:Size")]
    [InlineData("Databases:orders:ReplicaConnectionString", "Host=replica", "Databases:orders:ReplicaConnectionString")]
    [InlineData("Databases:orders:Budget:Enforce", "true", "Databases:orders:Budget:Enforce")]
    [InlineData("Databases:orders:Engine", "MySql", "Databases:orders:Pooler")]
    [InlineData("Roles:orders-jobs:Pods:Host", "elsewhere", "Roles:orders-jobs:Pods")]
    [InlineData("Roles:orders-jobs:Pods:Port", "5433", "Roles:orders-jobs:Pods")]
    [InlineData("Roles:orders-jobs:Pods:Name", "other", "Roles:orders-jobs:Pods")]
    public void A_pooler_that_cannot_be_meant_is_refused_in_words(string key, string value, string path)
    {
        var errors = Configured.Read([.. PoolerOf("orders").Where(entry => entry.Item1 != key), (key, value)]).Errors;
        errors.ShouldContain(error => error.Path == $"Broker:{path}");
        errors.ShouldAllBe(error => !error.ToString().Contains("secret-three", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Username=console;Password=secret-three", "4", true)]
    [InlineData("Host=p0,p1,p2;Username=console;Password=secret-three", "12", true)]
    [InlineData("Host=p0,p1,p2;Username=console;Password=secret-three", "11", false)]
    [InlineData("Server=p0:6432,p1:6433;Username=console;Password=secret-three", "7", false)]
    [InlineData("secret-three is no connection string", "4", true)]
    public void Each_process_of_a_pooler_has_enough_of_it(string console, string size, bool enough)
    {
        var errors = Configured.Read([.. PoolerOf("orders").Take(2), ("Databases:orders:Pooler:PoolSize", size), ("Databases:orders:Pooler:ConsoleConnectionString", console)]).Errors;
        errors.Select(static error => error.Path).ShouldBe(enough ? [] : ["Broker:Databases:orders:Pooler:PoolSize"]);
        errors.ShouldAllBe(static error => error.ToString().Contains("processes, which share it, and each needs 4", StringComparison.Ordinal));
    }

    [Fact]
    public void One_pooler_is_of_one_database_and_roles_may_still_say_how_they_encrypt()
    {
        (string, string?)[] second =
        [
            ("Databases:billing:Engine", "PostgreSql"), ("Databases:billing:Host", "orders-db"), ("Databases:billing:Name", "billing"), ("Databases:billing:AdminConnectionString", "Host=orders-db"),
        ];
        Configured.Read([.. PoolerOf("orders"), .. second, .. PoolerOf("billing")]).Errors.ShouldHaveSingleItem().Problem.ShouldContain("but its pool sizes");
        Configured.Read([.. PoolerOf("orders"), .. second, .. PoolerOf("billing"), ("Databases:billing:Pooler:Port", "6433")]).Errors.ShouldBeEmpty();
        (string, string?)[] lists = [("Databases:billing:Pooler:Port", "6433"), ("Databases:orders:Pooler:UserList", "/lists/users.txt"), ("Databases:billing:Pooler:UserList", "/lists/../lists/users.txt")];
        Configured.Read([.. PoolerOf("orders"), .. second, .. PoolerOf("billing"), .. lists]).Errors.ShouldHaveSingleItem().ToString().ShouldContain("is also the file of");
        Configured.Read([.. PoolerOf("orders"), ("Databases:orders:Pooler:UserList", "users.txt"), ("Databases:orders:Pooler:AuthUser", "pgbouncer")])
            .Errors.ShouldHaveSingleItem().Path.ShouldBe("Broker:Databases:orders:Pooler:AuthUser");
        Configured.Read([.. PoolerOf("orders"), ("Roles:orders-jobs:Pods:SslMode", "Require")]).Errors.ShouldBeEmpty();
        Configured.Read([.. PoolerOf("orders"), ("Roles:orders-jobs:Connections:Guaranteed", "500"), ("Databases:orders:Budget:Limit", "100")]).Errors.ShouldBeEmpty("what is guaranteed is of the pooler's clients, and the limit is the server's");
        Configured.Read([.. PoolerOf("orders"), ("Roles:orders-jobs:Connections:Guaranteed", "500"), ("Databases:orders:Budget:Ceiling", "100")]).Errors.ShouldHaveSingleItem();
    }

    [Fact]
    public void An_owner_role_belongs_to_PostgreSQL_and_stands_in_place_of_revocation_statements()
    {
        Configured.Read(("Roles:orders-jobs:OwnerRole", "orders_owner")).Catalog!.Roles["orders-jobs"].OwnerRole.ShouldBe("orders_owner");
        Configured.Read(("Roles:orders-api:OwnerRole", "orders_owner")).Errors.ShouldBeEmpty();
        Configured.Read(("Roles:orders-jobs:OwnerRole", "x"), ("Roles:orders-jobs:RevocationStatements:0", "DROP ROLE x"))
            .Errors.ShouldHaveSingleItem().Path.ShouldBe("Broker:Roles:orders-jobs:OwnerRole");
        Configured.Read(("Roles:orders-jobs:OwnerRole", "x"), ("Databases:orders:Engine", "MySql"))
            .Errors.ShouldHaveSingleItem().Path.ShouldBe("Broker:Roles:orders-jobs:OwnerRole");
    }

    [Fact]
    public void The_same_settings_read_twice_are_the_same_and_others_are_not()
    {
        (string, string?)[] same = [("Proxies:0", "10.0.0.7/32"), ("Proxies:1", "10.0.0.8/32"), ("Limits:FailedProofs", "7"), ("Audit:Path", "/tmp/a"), ("Waiting:Default", "00:00:03"), ("Ledger:FormerMarks:0", "abcd"), ("Ledger:FormerMarks:1", "bcde"), ("Audit:Otlp:Endpoint", "https://collector:4318"), ("Page:SignIn:Issuer", "kubernetes"), ("Page:SignIn:Scopes:0", "openid"), ("Page:SignIn:Scopes:1", "email")];
        var settings = Configured.Read(same).Settings;
        Configured.Read(same).Settings.ShouldBe(settings, "else each reload would say that it needs a restart");
        Configured.Read(same).Settings!.GetHashCode().ShouldBe(settings!.GetHashCode());
        foreach (var (key, value) in new[] { ("Proxies:1", "10.0.0.9/32"), ("Proxies:2", "10.0.0.9/32"), ("ProxyHops", "2"), ("Limits:FailedProofs", "8"), ("Audit:Path", "/tmp/b"), ("Waiting:Default", "00:00:04"), ("Ledger:FormerMarks:1", "cdef"), ("Ledger:FormerMarks:2", "cdef"), ("Ledger:Prefix", "other"), ("Audit:Otlp:Endpoint", "https://other:4318"), ("Page:SignIn:Scopes:1", "profile"), ("Page:SignIn:Scopes:2", "profile") })
            Configured.Read([.. same.Where(one => one.Item1 != key), (key, value)]).Settings.ShouldNotBe(settings, key);
    }

    [Fact]
    public void The_Vault_behind_read_twice_is_the_same_and_keeps_its_connections_and_another_is_not()
    {
        (string, string?)[] same = [("VaultApi:Upstream:Address", "https://vault:8200"), ("VaultApi:Upstream:Pass:0", "kv"), ("VaultApi:Upstream:Pass:1", "pki/issue")];
        var upstream = Upstream(same);
        Upstream(same).ShouldBe(upstream);
        foreach (var (key, value) in new[] { ("Address", "https://other:8200"), ("Pass:1", "transit"), ("Pass:2", "transit"), ("Namespace", "team"), ("Timeout", "00:00:11"), ("Shadow", "true") })
            Upstream([.. same.Where(one => one.Item1 != $"VaultApi:Upstream:{key}"), ($"VaultApi:Upstream:{key}", value)]).ShouldNotBe(upstream, key);

        static VaultUpstream? Upstream((string, string?)[] settings) => Configured.Read(settings).Catalog!.VaultApi.Upstream.ShouldNotBeNull();
    }

    [Fact]
    public void A_claim_name_with_a_colon_survives_the_configuration_system() =>
        Configured.Read(("Roles:orders-api:Allow:0:Claims:https://example.com/group", "a"))
            .Catalog!.Roles["orders-api"].Allow[0].Claims["https://example.com/group"].ShouldBe(ClaimMatch.Exactly("a"));

    // So no login's role, which Vault compares in any case, can mean two.
    [Fact]
    public void No_two_roles_have_names_that_differ_only_in_case() =>
        Configured.Read(("Roles:Orders-API:HolderTtl", "00:07:00")).Errors.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            error => error.Path.ShouldBe("Broker:Roles:Orders-API"), error => error.Mend.ShouldContain("a-z"));

    [Fact]
    public void A_loopback_address_may_be_plain_http() =>
        Configured.Read(("Issuers:vault:Address", "http://127.0.0.1:8200"), ("Identity:Issuers:kubernetes:Authority", "http://localhost:8080"))
            .Errors.ShouldBeEmpty();

    [Fact]
    public void A_user_of_two_static_roles_would_be_cut_off_by_each()
    {
        var changes = new[] { "one", "two" }.SelectMany(role => new (string, string?)[]
        {
            ($"Roles:{role}:Database", "orders"), ($"Roles:{role}:Issuer", "here"), ($"Roles:{role}:Static:Usernames:0", "shared"), ($"Roles:{role}:Static:Usernames:1", "of-" + role),
            ($"Roles:{role}:Static:RotationPeriod", "01:00:00"), ($"Roles:{role}:Allow:0:Issuer", "kubernetes"), ($"Roles:{role}:Allow:0:Claims:namespace", "orders"),
        });

        Configured.Read([.. changes]).Errors.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            error => error.Path.ShouldBe("Broker:Roles:two:Static:Usernames"), error => error.Mend.ShouldContain("its own users"));
    }

    [Fact]
    public void Plain_http_to_another_machine_is_allowed_by_saying_so() =>
        Configured.Read(("Issuers:vault:Address", "http://vault:8200"), ("Issuers:vault:AllowInsecureTransport", "true"))
            .Errors.ShouldBeEmpty();

    [Theory]
    [InlineData("Celing", "1", "", "not a known setting")]
    [InlineData("Databases:orders:Budget:Celing", "10", "", "Did you mean Ceiling?")]
    [InlineData("Roles:orders-api:Connections:Maximum", "10", "", "the settings known here are")]
    [InlineData("Databases:orders:Engine", "", "", "missing")]
    [InlineData("Databases:orders:Engine", "Oracle", "", "Write one of PostgreSql")]
    [InlineData("Databases:orders:Engine", "0", "", "Write one of PostgreSql")]
    [InlineData("Databases:orders:AuthSource", "admin", "", "only MongoDb has it")]
    [InlineData("Databases:orders:ReplicaLag", "00:01:01", "", "from 00:00:00 to 00:01:00")]
    [InlineData("Databases:orders:Budget:Enforce", "yes", "", "Write true or false")]
    [InlineData("Databases:orders:Engine", "MongoDb", "Roles:orders-jobs:CreationStatements", "give the user no roles")]
    [InlineData("Databases:orders:Host", "", "", "missing")]
    [InlineData("Databases:orders:Host", "postgres://db:1", "", "not a host name")]
    [InlineData("Databases:orders:Port", "0", "", "1 to 65535")]
    [InlineData("Databases:orders:Port", "65536", "", "1 to 65535")]
    [InlineData("Databases:orders:Port", "five", "", "not a whole number")]
    [InlineData("Databases:orders:Name", "", "", "missing")]
    [InlineData("Databases:orders:AdminConnectionString", "", "", "AdminConnectionStringFile")]
    [InlineData("Databases:orders:Budget:CeilingPercent", "0", "", "1 to 100")]
    [InlineData("Databases:orders:Budget:CeilingPercent", "101", "", "1 to 100")]
    [InlineData("Databases:orders:Budget:Ceiling", "-1", "", "0 to")]
    [InlineData("Databases:orders:Budget:SampleEvery", "00:00:00.1", "", "out of range")]
    [InlineData("Databases:orders:Budget:SampleEvery", "2", "", "not a duration")]
    [InlineData("Databases:orders:Budget:SampleEvery", "24:00:00", "", "not a duration")]
    [InlineData("Databases:orders:Budget:StaleAfter", "00:00:02", "", "not longer than SampleEvery")]
    [InlineData("Databases:orders:Issuing:UsersPerSecond", "0", "", "0.01 to 1000")]
    [InlineData("Databases:orders:Issuing:UsersPerSecond", "NaN", "", "not a number")]
    [InlineData("Databases:orders:Issuing:Burst", "0", "", "1 to 1000")]
    [InlineData("Databases:orders:Issuing:InFlight", "101", "", "1 to 100")]
    [InlineData("Databases:Orders2:Engine", "PostgreSql", "Databases:Orders2", "not a name")]
    [InlineData("Roles:-a:Database", "orders", "Roles:-a", "not a name")]
    [InlineData("Issuers:a.b:Kind", "BuiltIn", "Issuers:a.b", "not a name")]
    [InlineData("Identity:Issuers:Ünicode:Audience", "broker", "Identity:Issuers:Ünicode", "not a name")]
    [InlineData("Issuers:vault:Kind", "", "", "missing")]
    [InlineData("Issuers:vault:Kind", "Conjur", "", "Vault, BuiltIn")]
    [InlineData("Issuers:vault:Address", "", "", "missing")]
    [InlineData("Issuers:vault:Address", "vault", "", "not an http or https address")]
    [InlineData("Issuers:vault:Address", "http://vault:8200", "", "AllowInsecureTransport")]
    [InlineData("Issuers:vault:Address", "https://user:pass@vault", "", "more than scheme")]
    [InlineData("Issuers:vault:AllowInsecureTransport", "yes", "", "true or false")]
    [InlineData("Issuers:vault:Timeout", "00:03:00", "", "out of range")]
    [InlineData("Issuers:vault:CaFile", "/nowhere/ca.pem", "", "does not exist")]
    [InlineData("Issuers:vault:Auth:Method", "", "", "missing")]
    [InlineData("Issuers:vault:Auth:Method", "Ldap", "", "Token, AppRole, Kubernetes")]
    [InlineData("Issuers:vault:Auth:Token", "", "", "TokenFile")]
    [InlineData("Issuers:vault:Auth:TokenFile", "/nowhere/token", "Issuers:vault:Auth:Token", "Keep one of the two")]
    [InlineData("Issuers:vault:Auth:RoleId", "x", "", "not a known setting")]
    [InlineData("Roles:orders-api:Database", "", "", "missing")]
    [InlineData("Roles:orders-api:Database", "order", "", "Did you mean orders?")]
    [InlineData("Roles:orders-api:Issuer", "nobody", "", "Write one of here, vault")]
    [InlineData("Roles:orders-api:VaultPath", "", "", "missing, but the role's issuer is a Vault")]
    [InlineData("Roles:orders-api:VaultPath", "v1/database/creds/x", "", "without v1/")]
    [InlineData("Roles:orders-api:VaultPath", "database/creds/../x", "", "mount/creds/role")]
    [InlineData("Roles:orders-api:VaultPath", "database/creds/x?y", "", "mount/creds/role")]
    [InlineData("Roles:orders-api:CreationStatements:0", "CREATE", "Roles:orders-api:CreationStatements", "Vault runs its own")]
    [InlineData("Roles:orders-jobs:VaultPath", "database/creds/x", "", "issuer is BuiltIn")]
    [InlineData("Roles:orders-jobs:CreationStatements:0", "CREATE ROLE x", "Roles:orders-jobs:CreationStatements", "{{name}}")]
    [InlineData("Roles:orders-jobs:CreationStatements:0", "CREATE ROLE {{name}}", "Roles:orders-jobs:CreationStatements", "{{password}}")]
    [InlineData("Roles:orders-jobs:CreationStatements:0", "-- {{name}} {{password}}\n/* nothing */;", "Roles:orders-jobs:CreationStatements", "at most comments")]
    [InlineData("Roles:orders-jobs:CreationStatements:0", "", "Roles:orders-jobs:CreationStatements:0", "not a string")]
    [InlineData("VaultApi:Upstream:Address", "https://vault:8200", "VaultApi:Upstream:Pass", "List the paths")]
    [InlineData("VaultApi:Upstream:Address", "http://vault:8200", "", "AllowInsecureTransport")]
    [InlineData("VaultApi:Upstream:Pass:0", "sys/mounts", "", "Remove it")]
    [InlineData("VaultApi:Upstream:Pass:0", "auth", "", "Remove it")]
    [InlineData("VaultApi:Upstream:Pass:0", "database", "", "another path in SecretMounts")]
    [InlineData("VaultApi:Upstream:Pass:0", "database/creds/x", "", "another path in SecretMounts")]
    [InlineData("VaultApi:Upstream:Pass:0", "secret/../sys", "", "is not a path")]
    [InlineData("Roles:orders-jobs:Static:Usernames:0", "one", "Roles:orders-jobs:Static:Usernames", "Write two existing users")]
    [InlineData("Roles:orders-jobs:Static:Usernames:0", "one\ntwo", "Roles:orders-jobs:Static:Usernames:0", "Name another user")]
    [InlineData("Roles:orders-jobs:Static:RotationPeriod", "00:00:04", "", "out of range")]
    [InlineData("Roles:orders-jobs:Static:RotationSchedule", "every night", "", "Write five fields")]
    [InlineData("Roles:orders-jobs:Static:RotationSchedule", "0 0 30 2 *", "", "Write five fields")]
    [InlineData("Roles:orders-jobs:Static:RotationWindow", "01:00:00", "", "Remove it: a period begins")]
    [InlineData("Roles:orders-jobs:Static:RotationWindow", "00:59:59", "", "out of range")]
    [InlineData("Roles:orders-jobs:Static:RotationPeriod", "01:00:00", "Roles:orders-jobs:CreationStatements", "neither made nor dropped")]
    [InlineData("Roles:orders-api:Static:RotationPeriod", "01:00:00", "Roles:orders-api:Static", "Name a BuiltIn issuer")]
    [InlineData("Roles:orders-api:LeaseTtl", "00:00:59", "", "out of range")]
    [InlineData("Roles:orders-api:LeaseTtl", "2.00:00:00", "Roles:orders-api:LeaseMaxTtl", "shorter than LeaseTtl")]
    [InlineData("Roles:orders-api:Sharing", "All", "", "Role, Workload, Holder")]
    [InlineData("Roles:orders-api:MaxHoldersPerLease", "0", "", "1 to 100000")]
    [InlineData("Roles:orders-api:Connections:Min", "0", "", "1 to")]
    [InlineData("Roles:orders-api:Connections:Min", "21", "", "more than Max (20)")]
    [InlineData("Roles:orders-api:Connections:Max", "4", "Roles:orders-api:Connections:Default", "not between Min (1) and Max (4)")]
    [InlineData("Roles:orders-api:Connections:Min", "6", "Roles:orders-api:Connections:Default", "not between Min (6) and Max (20)")]
    [InlineData("Roles:orders-api:Connections:ExpectedHolders", "-1", "", "0 to")]
    [InlineData("Roles:orders-api:Connections:SurgePercent", "101", "", "0 to 100")]
    [InlineData("Roles:orders-api:Connections", "5", "", "group of settings")]
    [InlineData("Roles:orders-api:HolderTtl", "00:00:29", "", "out of range")]
    [InlineData("Roles:orders-api:HolderTtl", "8.00:00:00", "", "out of range")]
    [InlineData("Roles:orders-api:IdleTtl", "-00:00:01", "", "out of range")]
    [InlineData("Roles:orders-api:IdleTtl", "1.00:00:01", "", "out of range")]
    [InlineData("Roles:orders-api:Allow:0:Issuer", "kubernets", "", "Did you mean kubernetes?")]
    [InlineData("Roles:orders-api:Allow:0:Claims:namespace", "", "", "empty")]
    [InlineData("Roles:orders-api:Allow:0:Claims:namespace", "orders*", "", "middle of a word")]
    [InlineData("Roles:orders-api:Allow:0:Claims:namespace", "*", "", "everybody")]
    [InlineData("Roles:orders-api:Allow:0:Claims:namespace", "a-*-b", "", "not at the end")]
    [InlineData("Roles:orders-api:Allow:0:Claims:pod:0", "a-*", "", "compared exactly")]
    [InlineData("Roles:orders-api:Allow:0:Claims:namespace:0", "a", "Roles:orders-api:Allow:0:Claims:namespace", "a string and a list")]
    [InlineData("Identity:Admins:0:Issuer", "nobody", "", "Broker:Identity:Issuers")]
    [InlineData("Identity:Sessions:Lifetime", "00:00:59", "", "out of range")]
    [InlineData("Identity:Sessions:MaxLifetime", "7.00:00:01", "", "out of range")]
    [InlineData("Identity:Sessions:Most", "0", "", "out of range")]
    [InlineData("Identity:Callers:ClaimsPerSecond", "-1", "", "out of range")]
    [InlineData("Identity:Callers:Burst", "3", "", "without ClaimsPerSecond")]
    [InlineData("Identity:Callers:Holders", "-1", "", "out of range")]
    [InlineData("Identity:Callers:Connections", "x", "", "not a whole number")]
    [InlineData("Identity:Teams:payments:Holders", "1", "Identity:Teams:payments:Members", "nobody is in this team")]
    [InlineData("Roles:orders-api:Connections:Weight", "0", "", "out of range")]
    [InlineData("Roles:orders-api:Connections:Priority", "10", "", "out of range")]
    [InlineData("Roles:orders-api:Connections:Guaranteed", "-1", "", "out of range")]
    [InlineData("Identity:Teams:payments:Guaranteed:nowhere", "3", "", "is not one of Broker:Databases")]
    [InlineData("Identity:Issuers:kubernetes:TokenReview:Address", "https://api", "Identity:Issuers:kubernetes:TokenReview", "beside Authority")]
    [InlineData("Identity:Issuers:kubernetes:SpiffeId", "https://x/{namespace}", "", "not a SPIFFE id")]
    [InlineData("Identity:Issuers:kubernetes:SpiffeId", "spiffe://x/{namespace}", "", "no client certificate")]
    [InlineData("Identity:Issuers:kubernetes:Sessions", "yes", "", "neither true nor false")]
    [InlineData("Limits:MaxHeaderBytes", "1", "", "out of range")]
    [InlineData("Limits:MaxConnections", "1", "", "out of range")]
    [InlineData("Limits:FailedProofs", "0", "", "out of range")]
    [InlineData("Limits:FailedProofsPerSecond", "0", "", "out of range")]
    [InlineData("Proxies:0", "10.0.0.7", "", "")]
    [InlineData("Proxies:0", "everybody", "", "not a network")]
    [InlineData("Proxies:0", "0.0.0.0/0", "", "covers every address")]
    [InlineData("Proxies:0", "::/0", "", "covers every address")]
    [InlineData("Proxies:0", "::ffff:0.0.0.0/96", "", "covers every address")] // every IPv4 address, as a socket for both kinds writes it
    [InlineData("Tls:CertificateFile", "/nowhere", "", "does not exist")]
    [InlineData("Tls:CertificateFile", "/nowhere", "Tls:CertificateKeyFile", "missing")]
    [InlineData("Tls:LookEvery", "00:00:00", "", "out of range")]
    [InlineData("Audit:Rotation:MaxMegabytes", "-1", "", "out of range")]
    [InlineData("Audit:Rotation:MaxAge", "367.00:00:00", "", "out of range")]
    [InlineData("Audit:Rotation:Keep", "0", "", "out of range")]
    [InlineData("Audit:Syslog:Address", "http://x", "", "not the address of a syslog server")]
    [InlineData("Audit:Syslog:Facility", "24", "", "out of range")]
    [InlineData("Audit:Otlp:Endpoint", "http://elsewhere:4318", "", "plain http")]
    [InlineData("Audit:SigningKeyFile", "/nowhere", "", "does not exist")]
    [InlineData("Audit:HashKey", "short", "", "shorter")]
    [InlineData("Audit:StandardOutput", "maybe", "", "neither true nor false")]
    [InlineData("Roles:orders-api:Allow:1:Issuer", "kubernetes", "Roles:orders-api:Allow:1:Claims", "everybody")]
    [InlineData("Identity:Viewers:0:Issuer", "kubernetes", "Identity:Viewers:0:Claims", "everybody")]
    [InlineData("Identity:Operators:0:Issuer", "nobody", "", "Broker:Identity:Issuers")]
    [InlineData("Identity:Issuers:kubernetes:Authority", "", "", "missing")]
    [InlineData("Identity:Issuers:kubernetes:Authority", "http://elsewhere", "", "plain http")]
    [InlineData("Identity:Issuers:kubernetes:Authority", "https://login.microsoftonline.com/common/v2.0", "", "your tenant's")]
    [InlineData("Identity:Issuers:kubernetes:Authority", "https://login.microsoftonline.us/Organizations", "", "your tenant's")]
    [InlineData("Identity:Issuers:kubernetes:Issuer", "https://login.microsoftonline.com/{tenantid}/v2.0", "", "has braces")]
    [InlineData("Identity:Issuers:kubernetes:JwksFile", "/nowhere", "", "beside Authority")]
    [InlineData("Identity:Issuers:ci:JwksFile", "/nowhere", "", "does not exist")]
    [InlineData("Identity:Issuers:ci:JwksFile", "/nowhere", "Identity:Issuers:ci:Issuer", "missing")]
    [InlineData("Identity:Issuers:kubernetes:Audience", "", "", "missing")]
    [InlineData("Identity:Issuers:kubernetes:Algorithms:0", "HS256", "", "not an accepted")]
    [InlineData("Identity:Issuers:kubernetes:Algorithms:0", "none", "", "not an accepted")]
    [InlineData("Identity:Issuers:kubernetes:ClockSkew", "00:05:01", "", "out of range")]
    [InlineData("Identity:Issuers:kubernetes:BearerTokenFile", "/nowhere", "", "does not exist")]
    [InlineData("Ledger:Kind", "Postgres", "", "InProcess, Redis, File")]
    [InlineData("Ledger:Kind", "File", "Ledger:Path", "missing")]
    [InlineData("Ledger:Kind", "File", "Sealing", "passwords in the ledger's file")]
    [InlineData("Ledger:Path", "/data/ledger.db", "", "the ledger is InProcess")]
    [InlineData("Ledger:Kind", "Redis", "Ledger:ConnectionString", "missing")]
    [InlineData("Ledger:Kind", "Redis", "Sealing", "missing")]
    [InlineData("Ledger:ConnectionString", "redis:6379", "", "the ledger is InProcess")]
    [InlineData("Sealing:Directory", "/nowhere", "", "does not exist")]
    [InlineData("Sealing:CertificateKeyFile", "/nowhere", "Sealing:CertificateFile", "missing")]
    [InlineData("Audit:Fsync", "maybe", "", "true or false")]
    [InlineData("Waiting:IssueDeadline", "00:00:04", "", "out of range")]
    [InlineData("Waiting:Default", "00:01:01", "", "out of range")]
    [InlineData("Waiting:MaxWait", "00:00:00", "", "out of range")]
    [InlineData("Waiting:MaxInLine", "0", "", "1 to 1000000")]
    [InlineData("Limits:MaxBodyBytes", "1", "", "1024 to 1048576")]
    public void A_mistake_is_named_with_its_path_and_its_mend(string key, string value, string path, string says)
    {
        var reading = Configured.Read((key, value));

        var expected = $"Broker:{(path.Length > 0 ? path : key)}";
        reading.Errors.ShouldContain(
            error => error.Path == expected && error.ToString().Contains(says, StringComparison.Ordinal) && error.Mend.Length > 0,
            $"expected {expected} … {says}, got{Environment.NewLine}{string.Join(Environment.NewLine, reading.Errors)}");
        reading.Catalog.ShouldBeNull();
        reading.Settings.ShouldBeNull();
    }

    [Fact]
    public void Guarantees_that_cannot_be_kept_are_refused_with_whose_they_are() =>
        Configured.Read(
                ("Databases:orders:Budget:Limit", "100"), ("Databases:orders:Budget:CeilingPercent", "50"), ("Databases:orders:Budget:Ceiling", "90"),
                ("Roles:orders-api:Connections:Guaranteed", "30"), ("Identity:Teams:payments:Guaranteed:orders", "21"),
                ("Identity:Teams:payments:Members:0:Issuer", "kubernetes"), ("Identity:Teams:payments:Members:0:Claims:namespace", "payments"))
            .Errors.ShouldHaveSingleItem().ToString()
            .ShouldContain("Broker:Databases:orders:Budget: lets 50 connections be promised, but 51 are guaranteed: 30 to role orders-api, 21 to team payments.");

    private static (string, string?)[] Billing(string? server, string host = "orders-db") =>
    [
        ("Databases:billing:Engine", "PostgreSql"), ("Databases:billing:Host", host), ("Databases:billing:Name", "billing"), ("Databases:billing:AdminConnectionString", $"Host={host}"),
        .. server is null ? Array.Empty<(string, string?)>() : [("Databases:billing:Server", server), ("Databases:orders:Server", "main")],
        ("Roles:orders-api:Connections:Guaranteed", "30"), ("Identity:Teams:payments:Guaranteed:billing", "31"),
        ("Identity:Teams:payments:Members:0:Issuer", "kubernetes"), ("Identity:Teams:payments:Members:0:Claims:namespace", "payments"),
    ];

    [Theory]
    [InlineData("main", "elsewhere", "60", true)]
    [InlineData("main", "elsewhere", "61", false)]
    [InlineData("other", "elsewhere", "60", false)]
    [InlineData(null, "elsewhere", "60", false)]
    public void Guarantees_on_databases_of_one_server_are_added_up(string? server, string host, string percent, bool refused)
    {
        var errors = Configured.Read([.. Billing(server, host), ("Databases:orders:Budget:Limit", "100"), ("Databases:orders:Budget:ServerCeilingPercent", percent)]).Errors;
        if (!refused) errors.ShouldBeEmpty();
        else errors.ShouldHaveSingleItem().ToString().ShouldContain(
            "Broker:Databases:billing:Budget: lets 60 connections be promised on the server that it shares with orders, but 61 are guaranteed on them together: 31 to team payments on billing, 30 to role orders-api on orders.");
    }

    [Fact]
    public void Guarantees_on_databases_at_one_address_are_added_up_and_those_behind_a_pooler_are_not()
    {
        (string, string?)[] at = [("Databases:orders:Budget:Limit", "60"), ("Databases:orders:Budget:CeilingPercent", "100"), .. Billing(null, "ORDERS-DB")];
        Configured.Read(at).Errors.ShouldHaveSingleItem().ToString().ShouldContain("61 are guaranteed on them together");
        Configured.Read([.. at, .. PoolerOf("billing")]).Errors.ShouldBeEmpty("what is guaranteed there is of the pooler's clients");
    }

    [Fact]
    public void Nothing_configured_is_a_mistake_and_not_an_empty_broker() =>
        CatalogReader.Read(new ConfigurationBuilder().Build()).Errors.Select(error => error.Path)
            .ShouldBe(["Broker:Identity:Issuers", "Broker:Databases", "Broker:Roles"]);

    [Fact]
    public void An_empty_allow_list_means_nobody_and_is_a_mistake() =>
        Configured.Read(
                ("Roles:third:Database", "orders"), ("Roles:third:Issuer", "vault"),
                ("Roles:third:VaultPath", "database/creds/third"), ("Roles:third:Allow", ""))
            .Errors.ShouldHaveSingleItem().ToString().ShouldContain("Broker:Roles:third:Allow: is empty: nobody may have this role.");

    [Fact]
    public void A_role_of_the_built_in_issuer_needs_statements() =>
        Configured.Read(
                ("Roles:third:Database", "orders"), ("Roles:third:Issuer", "here"),
                ("Roles:third:Allow:0:Issuer", "kubernetes"), ("Roles:third:Allow:0:Claims:sub", "x"))
            .Errors.ShouldHaveSingleItem().Path.ShouldBe("Broker:Roles:third:CreationStatements");

    [Fact]
    public void Every_engine_is_read_with_what_is_its_own()
    {
        const string Roles = """{"db":"admin","roles":[{"role":"readWrite","db":"app"}]}""";
        var mongo = Configured.Read(
            ("Databases:orders:Engine", "MongoDb"), ("Databases:orders:AuthSource", "users"), ("Roles:orders-jobs:CreationStatements:0", Roles));
        mongo.Errors.ShouldBeEmpty();
        mongo.Catalog!.Databases["orders"].AuthSource.ShouldBe("users");
        mongo.Catalog.Databases["orders"].Port.ShouldBe(27017);

        var mySql = Configured.Read(
            ("Databases:orders:Engine", "MySql"), ("Databases:orders:ReplicaConnectionString", "Server=reader"), ("Databases:orders:ReplicaLag", "00:00:10"),
            ("Databases:orders:Budget:Enforce", "true"));
        mySql.Errors.ShouldBeEmpty();
        var database = mySql.Catalog!.Databases["orders"];
        (database.Port, database.ReplicaConnectionString!.Reveal(), database.ReplicaLag, database.Budget.Enforce)
            .ShouldBe((3306, "Server=reader", TimeSpan.FromSeconds(10), true));
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        var errors = Configured.Read(
            ("Databases:orders:Port", "0"), ("Roles:orders-api:Issuer", "gone"), ("Waiting:MaxInLine", "-1"),
            ("Identity:Issuers:kubernetes:Audience", ""), ("Oops", "1")).Errors;

        errors.Select(error => error.Path).ShouldBe(
            ["Broker:Databases:orders:Port", "Broker:Roles:orders-api:Issuer", "Broker:Waiting:MaxInLine", "Broker:Identity:Issuers:kubernetes:Audience", "Broker:Oops"],
            ignoreOrder: true);
        new CatalogException(errors).Message.Split(Environment.NewLine).Length.ShouldBe(6);
    }
}
