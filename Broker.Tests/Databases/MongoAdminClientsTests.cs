using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Model;
using Broker.Tests.Authentication;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The broker's clients of MongoDB follow the files and the configuration that they are made of. No server is needed.</summary>
public sealed class MongoAdminClientsTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("broker-mongo-");
    private readonly FakeTimeProvider clock = new();
    private readonly AdminClients clients;

    public MongoAdminClientsTests() => clients = new(clock);

    private string Authority => Path.Combine(folder.FullName, "ca.pem");

    private string WithAuthority => $"mongodb://127.0.0.1:1/?tls=true&tlsCAFile={Uri.EscapeDataString(Authority)}";

    public void Dispose()
    {
        clients.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void A_file_that_comes_late_is_read_when_it_is_there()
    {
        Should.Throw<DatabaseException>(() => clients.ClientOf(Of(WithAuthority))).Message.ShouldContain("tlsCAFile");
        WriteAuthority(Authority);

        clients.ClientOf(Of(WithAuthority)).ShouldNotBeNull();
    }

    [Fact]
    public void A_renewed_file_makes_another_client_and_the_one_before_is_disposed_when_its_commands_are_over()
    {
        WriteAuthority(Authority);
        var before = clients.ClientOf(Of(WithAuthority));
        clients.ClientOf(Of(WithAuthority)).ShouldBeSameAs(before);

        WriteAuthority(Authority);
        File.SetLastWriteTimeUtc(Authority, File.GetLastWriteTimeUtc(Authority).AddSeconds(1));
        var after = clients.ClientOf(Of(WithAuthority));

        after.ShouldNotBeSameAs(before);
        clock.Advance(TimeSpan.FromSeconds(29));
        IsDisposed(before).ShouldBeFalse("a command may still be running");
        clock.Advance(TimeSpan.FromSeconds(2));
        IsDisposed(before).ShouldBeTrue();
        IsDisposed(after).ShouldBeFalse();
    }

    [Fact]
    public void A_mounted_secret_is_renewed_by_its_link()
    {
        var versions = new[] { folder.CreateSubdirectory("1"), folder.CreateSubdirectory("2") };
        for (var version = 0; version < versions.Length; version++)
        {
            var file = Path.Combine(versions[version].FullName, "ca.pem");
            WriteAuthority(file);
            File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch.AddDays(version));
        }

        var data = Path.Combine(folder.FullName, "..data");
        Directory.CreateSymbolicLink(data, "1");
        File.CreateSymbolicLink(Authority, "..data/ca.pem");
        var before = clients.ClientOf(Of(WithAuthority));
        Directory.Delete(data);
        Directory.CreateSymbolicLink(data, "2");

        clients.ClientOf(Of(WithAuthority)).ShouldNotBeSameAs(before);
    }

    [Fact]
    public void Databases_on_one_server_share_a_client_which_lives_as_long_as_one_of_them_uses_it()
    {
        var (orders, billing) = (Of("mongodb://127.0.0.1:1/"), Of("mongodb://127.0.0.1:1/") with { Name = "billing" });
        var shared = clients.ClientOf(orders);
        clients.ClientOf(billing).ShouldBeSameAs(shared);

        clients.ClientOf(Of("mongodb://127.0.0.1:2/"));
        clock.Advance(TimeSpan.FromMinutes(1));
        IsDisposed(shared).ShouldBeFalse();
        clients.ClientOf(billing with { AdminConnectionString = new("mongodb://127.0.0.1:2/") });
        clock.Advance(TimeSpan.FromMinutes(1));
        IsDisposed(shared).ShouldBeTrue();
    }

    [Fact]
    public void A_database_that_asks_no_more_has_no_client_in_the_end()
    {
        var (orders, billing) = (Of("mongodb://127.0.0.1:1/"), Of("mongodb://127.0.0.1:2/") with { Name = "billing" });
        var (gone, stays) = (clients.ClientOf(orders), clients.ClientOf(billing));
        for (var minute = 0; minute <= 11; minute++)
        {
            clients.ClientOf(billing).ShouldBeSameAs(stays);
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        (IsDisposed(gone), IsDisposed(stays)).ShouldBe((true, false));
        clients.ClientOf(orders).ShouldNotBeSameAs(gone);
    }

    [Fact]
    public void A_replica_that_is_counted_has_a_client_beside_the_administrators()
    {
        var database = Of("mongodb://127.0.0.1:1/") with { ReplicaConnectionString = new("mongodb://127.0.0.1:2/") };
        var counted = database with { AdminConnectionString = database.ReplicaConnectionString };
        var (own, replicas) = (clients.ClientOf(database), clients.ClientOf(counted));

        clients.ClientOf(database).ShouldBeSameAs(own);
        clients.ClientOf(counted).ShouldBeSameAs(replicas);
        clock.Advance(TimeSpan.FromMinutes(1));
        (IsDisposed(own), IsDisposed(replicas)).ShouldBe((false, false));
    }

    private static bool IsDisposed(MongoDB.Driver.MongoClient client)
    {
        try
        {
            client.GetDatabase("admin");
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private static void WriteAuthority(string file)
    {
        using var certificate = OidcServer.Certificate();
        File.WriteAllText(file, certificate.ExportCertificatePem());
    }

    private static Database Of(string uri) => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MongoDb,
        Host = "127.0.0.1",
        Port = 1,
        DatabaseName = "app",
        AdminConnectionString = new(uri),
        Budget = new(),
        Issuing = new(),
    };
}
