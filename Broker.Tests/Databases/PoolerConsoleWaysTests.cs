using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Identity;
using Broker.Core.Model;
using Broker.Tests.Drivers;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The ways to the console of a real PgBouncer: encrypted as its connection string says, and by a Unix socket.</summary>
public sealed class PoolerConsoleWaysTests : IAsyncLifetime
{
    private readonly Certificates certificates = new();
    private readonly Certificates others = new();
    private readonly PostgreSqlEngine engine = new(TimeProvider.System);
    private LocalPostgres postgres = null!;
    private LocalPgBouncer pgBouncer = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        pgBouncer = await LocalPgBouncer.StartAsync(postgres, new() { Tls = certificates.Write("pooler", Environment.IsPrivilegedProcess ? "postgres" : null), HasSocket = true }, Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await pgBouncer.DisposeAsync();
        await postgres.DisposeAsync();
        certificates.Dispose();
        others.Dispose();
    }

    [Fact]
    public async Task The_console_is_encrypted_and_verified_as_the_connection_string_says()
    {
        foreach (var settings in new[]
        {
            "SSL Mode=Prefer", "SSL Mode=Require", $"SSL Mode=VerifyCA;Root Certificate={certificates.AuthorityFile}", $"SSL Mode=VerifyFull;Root Certificate={certificates.AuthorityFile}",
            $"SSL Mode=VerifyFull;Root Certificate={certificates.AuthorityFile};Host=localhost",
            $"SSL Mode=VerifyCA;Root Certificate={certificates.AuthorityFile};Host=0.0.0.0", // its certificate does not name this address, which leads to it too
        })
            (await SizeAsync(settings)).ShouldBe(4, settings);

        foreach (var settings in new[]
        {
            "SSL Mode=VerifyCA", "SSL Mode=VerifyFull", $"SSL Mode=VerifyCA;Root Certificate={others.AuthorityFile}", $"SSL Mode=VerifyFull;Root Certificate={others.AuthorityFile}",
            $"SSL Mode=VerifyFull;Root Certificate={certificates.AuthorityFile};Host=0.0.0.0",
        })
            (await RefusalAsync(settings)).ShouldContain("certificate", Case.Insensitive, settings);

        (await RefusalAsync("SSL Mode=Disable")).ShouldContain("SSL required", Case.Insensitive, "in the pooler's own words");
    }

    [Fact]
    public async Task By_a_Unix_socket_it_is_reached_by_its_folder_or_its_file_and_needs_no_encryption()
    {
        (await SizeAsync($"Host={pgBouncer.SocketDirectory}")).ShouldBe(4);
        (await SizeAsync($"Host={pgBouncer.SocketDirectory};SSL Mode=Disable")).ShouldBe(4);
        (await SizeAsync($"Host={Path.Combine(pgBouncer.SocketDirectory, $".s.PGSQL.{pgBouncer.Port}")}")).ShouldBe(4);
        (await RefusalAsync("Host=/nowhere/at/all")).ShouldContain("check that it runs and can be reached");
    }

    // What the pooler says that it may have of the server: it was asked.
    private async Task<int?> SizeAsync(string settings) => (await engine.SampleAsync(By(settings), Cancellation)).Pool.ShouldNotBeNull().Allowed;

    private async Task<string> RefusalAsync(string settings) => (await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(By(settings), Cancellation), settings)).Message;

    private Database By(string settings) => Pooled.Of(postgres, pgBouncer).By($"{pgBouncer.ConsoleConnectionString};{settings}");
}
