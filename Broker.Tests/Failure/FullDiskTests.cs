using Broker.Tests.Audit;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>The disk of the ledger's file becomes full while the broker works, and has room again.</summary>
public sealed class FullDiskTests : IDisposable
{
    private const int Kilobytes = 512;

    private readonly string disk = Directory.CreateTempSubdirectory("broker-disk-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Mount => $"mount -t tmpfs -o size={Kilobytes}k none {disk}";

    public void Dispose() => Directory.Delete(disk);

    [Fact]
    public async Task Nothing_is_granted_that_a_full_disk_cannot_take_and_work_goes_on_when_it_has_room()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && AuditFolder.TryRun("unshare", "-Urm", "sh", "-c", Mount), "Needs a user namespace of its own (unshare -Urm).");
        await using var stage = await Stage.SetAsync(
            new()
            {
                Replicas = 1,
                Ledger = LedgerKind.File,
                MaxConnections = 60,
                StartedBy = ["unshare", "-Urm", "sh", "-c", Mount + " && exec \"$0\" \"$@\""],
                Configure = (_, configuration) => configuration["Broker"]!["Ledger"]!["Path"] = Path.Combine(disk, "ledger.db"),
            },
            Cancellation);
        var broker = stage.Brokers[0];
        using var door = new BrokerDoor([broker.Address], stage.Identity, new() { Connections = 2, WaitSeconds = 0 });
        // The disk is in the broker's own namespace: we see it through the broker's eyes.
        var filler = $"/proc/{broker.ProcessId}/root{disk}/filler";
        Grant? before = null;
        await Eventually.HoldsAsync(async () => (before = await door.AskAsync(1, 0, Cancellation) as Grant) is not null, "the first pod to be granted", Cancellation);

        var users = await UsersAsync(stage);
        Fill(filler);
        for (var pod = 2; pod <= 4; pod++)
        {
            var refused = (await door.AskAsync(pod, 0, Cancellation)).ShouldBeOfType<Refused>();
            (refused.Code, refused.RetryAfter is null).ShouldBe(("ledger-unavailable", false));
        }

        (await UsersAsync(stage)).ShouldBeLessThanOrEqualTo(users, "who is refused has no user made for it");

        File.Delete(filler);
        await Eventually.HoldsAsync(async () => (await LogAsync(broker)).Any(line => line.Contains("can be used again", StringComparison.Ordinal)), "the file to be written again", Cancellation);
        Grant? after = null;
        await Eventually.HoldsAsync(async () => (after = await door.AskAsync(1, 1, Cancellation) as Grant) is not null, "work to go on", Cancellation);
        (after!.Username, after.Lease, after.Holder, after.Connections).ShouldBe((before!.Username, before.Lease, before.Holder, before.Connections));
        (await OneReplica.GrantedAsync(stage)).ShouldBe(2, "of those that were refused nothing is written down");
        Grant? late = null;
        await Eventually.HoldsAsync(async () => (late = await door.AskAsync(2, 1, Cancellation) as Grant) is not null, "who was refused to be granted", Cancellation);
        late!.Username.ShouldBe(before.Username);
        (await OneReplica.GrantedAsync(stage)).ShouldBe(4);

        var log = await LogAsync(broker);
        log.ShouldNotContain(line => line.Contains("damaged", StringComparison.Ordinal), "who reads that takes the file away");
        log.ShouldContain(line => line.Contains("database or disk is full", StringComparison.Ordinal) && line.Contains("its disk needs room", StringComparison.Ordinal));
    }

    private static void Fill(string file)
    {
        using var filler = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var page = new byte[4096];
        try
        {
            for (var page4K = 0; page4K <= Kilobytes / 4; page4K++) filler.Write(page);
            throw new InvalidOperationException("The disk is larger than it was made.");
        }
        catch (IOException full) when (full.Message.Contains("No space left", StringComparison.Ordinal))
        {
        }
    }

    private static Task<string[]> LogAsync(LocalBroker broker) => File.ReadAllLinesAsync(broker.LogFile, Cancellation);

    private static async Task<long> UsersAsync(Stage stage)
    {
        await using var admin = new NpgsqlConnection(stage.Postgres.AdminConnectionString);
        await admin.OpenAsync(Cancellation);
        await using var count = new NpgsqlCommand("SELECT count(*) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper", admin);
        return (long)(await count.ExecuteScalarAsync(Cancellation))!;
    }
}
