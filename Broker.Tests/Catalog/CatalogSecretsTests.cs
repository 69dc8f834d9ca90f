using System.Text.Json;
using Broker.Core.Catalog;
using Microsoft.Extensions.Configuration;
using Shouldly;
using Xunit;

namespace Broker.Tests.Catalog;

public sealed class CatalogSecretsTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-catalog-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Every_secret_may_come_from_a_file()
    {
        var file = Write("secret", " from-a-file \n");
        var reading = Configured.Read(
            ("Databases:orders:AdminConnectionString", ""), ("Databases:orders:AdminConnectionStringFile", file),
            ("Issuers:vault:Auth:Token", ""), ("Issuers:vault:Auth:TokenFile", file),
            ("Issuers:app:Kind", "Vault"), ("Issuers:app:Address", "https://vault"), ("Issuers:app:Auth:Method", "AppRole"),
            ("Issuers:app:Auth:RoleId", "r"), ("Issuers:app:Auth:SecretIdFile", file),
            ("Ledger:Kind", "Redis"), ("Ledger:ConnectionStringFile", file), ("Sealing:Directory", directory));

        reading.Errors.ShouldBeEmpty();
        reading.Catalog!.Databases["orders"].AdminConnectionString.Reveal().ShouldBe("from-a-file");
        reading.Settings!.Ledger.ConnectionString!.Reveal().ShouldBe("from-a-file");
        ((VaultIssuerDefinition)reading.Catalog.Issuers["vault"]).Auth.ShouldBe(new VaultTokenAuth(new SecretSource(null, file)));
        ((VaultIssuerDefinition)reading.Catalog.Issuers["app"]).Auth.ShouldBe(new VaultAppRoleAuth("r", new SecretSource(null, file)));
    }

    [Theory]
    [InlineData("Databases:orders:AdminConnectionStringFile", "Databases:orders:AdminConnectionString")]
    [InlineData("Issuers:vault:Auth:TokenFile", "Issuers:vault:Auth:Token")]
    public void A_value_and_its_file_together_are_a_mistake(string key, string path) =>
        Configured.Read((key, Write("secret", "x"))).Errors.ShouldHaveSingleItem().Path.ShouldBe($"Broker:{path}");

    [Fact]
    public void An_empty_secret_file_is_a_mistake() =>
        Configured.Read(("Issuers:vault:Auth:Token", ""), ("Issuers:vault:Auth:TokenFile", Write("secret", " \n")))
            .Errors.ShouldHaveSingleItem().ToString().ShouldContain("Broker:Issuers:vault:Auth:TokenFile: names an empty file.");

    [Fact]
    public void Files_that_hold_something_else_are_mistakes()
    {
        var nonsense = Write("nonsense", "nonsense");
        var errors = Configured.Read(
            ("Issuers:vault:CaFile", nonsense), ("Sealing:CertificateFile", nonsense), ("Sealing:CertificateKeyFile", nonsense),
            ("Identity:Issuers:ci:Issuer", "https://ci"), ("Identity:Issuers:ci:Audience", "broker"), ("Identity:Issuers:ci:JwksFile", nonsense)).Errors;

        errors.Select(error => error.Path).ShouldBe(
            ["Broker:Issuers:vault:CaFile", "Broker:Sealing:CertificateFile", "Broker:Identity:Issuers:ci:JwksFile"], ignoreOrder: true);
    }

    [Fact]
    public void L6_No_mistake_repeats_a_value_that_might_be_a_secret()
    {
        // The same secret under every key there is: right ones, wrong ones, misspelt ones, as a file's name, as a number.
        const string secret = "hunter2-hunter2";
        var keys = Configured.With().AsEnumerable().Where(entry => entry.Value is not null).Select(entry => entry.Key["Broker:".Length..])
            .Concat(["Databases:orders:AdminConectionString", "Databases:orders:AdminConnectionStringFile", "Issuers:vault:Auth:TokenFile",
                "Ledger:ConnectionString", "Ledger:ConnectionStringFile", "Ledger:Kind", "Sealing:Directory", "Sealing:CertificateFile",
                "Waiting:Default", "Waiting:MaxInLine", "Audit:Fsync", "Databases:orders:Port", "Databases:orders:Issuing:UsersPerSecond",
                "Issuers:vault:CaFile", "Identity:Issuers:kubernetes:JwksFile", "Identity:Issuers:kubernetes:Algorithms:0", "Roles:orders-api:Sharing"]);
        foreach (var key in keys)
        {
            foreach (var value in new[] { secret, $"https://u:{secret}@h", $"1{secret}", $"database/{secret}?" })
                string.Concat(Configured.Read((key, value)).Errors).ShouldNotContain(secret, customMessage: key);
        }
    }

    [Fact]
    public void L6_A_snapshot_prints_and_serialises_without_its_secrets()
    {
        var reading = Configured.Read();
        foreach (var text in new[]
        {
            string.Join(' ', reading.Catalog!.Databases.Values), string.Join(' ', reading.Catalog.Issuers.Values),
            JsonSerializer.Serialize(reading.Catalog), JsonSerializer.Serialize(reading.Catalog.Issuers.Values.Cast<object>()),
        })
        {
            text.ShouldNotContain("secret-one");
            text.ShouldNotContain("secret-two");
        }
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(directory, name);
        File.WriteAllText(path, content);
        return path;
    }
}
