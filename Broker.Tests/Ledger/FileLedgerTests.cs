using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Broker.Tests.Authentication;
using Broker.Tests.Contracts;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

public sealed class FileLedgerTests : LedgerContract, IAsyncDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-ledger-").FullName;
    private readonly FileLedgerStore store;

    public FileLedgerTests() => store = Open(Path.Combine(directory, "ledger.db"));

    protected override ILedgerStore Store => store;

    protected override Task TamperAsync(string key, string field, string value)
    {
        store.Tamper("HSET", key, field, value);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_restart_loses_nothing()
    {
        var file = Path.Combine(directory, "restarted.db");
        (ClaimAnswer.Granted, BudgetRecord) before;
        await using (var first = Open(file)) before = await GrantAsync(first);

        await using var second = Open(file);
        var after = await GrantAsync(second);

        after.Item1.ShouldSatisfyAllConditions(
            again => again.Lease.ShouldBe(before.Item1.Lease),
            again => again.Connections.ShouldBe(before.Item1.Connections),
            again => again.EndsAt.ShouldBe(before.Item1.EndsAt));
        after.Item2.Granted.ShouldBe(before.Item2.Granted);
    }

    [Fact]
    public async Task A_second_broker_is_refused_in_words_until_the_first_one_ends()
    {
        var file = Path.Combine(directory, "ours.db");
        var first = Open(file);
        await GrantAsync(first);
        await using var second = Open(file);
        var refused = await Should.ThrowAsync<LedgerFileException>(async () => await GrantAsync(second));
        refused.Fault.ShouldBe(FileFault.InUse);
        refused.Message.ShouldContain("in use by another broker");
        FileLedgerStore.Look(file).ShouldBe("is in use by a running broker.");

        await first.DisposeAsync();

        await Eventually.HoldsAsync(async () =>
        {
            try
            {
                return (await GrantAsync(second)).Item1.Connections == 3;
            }
            catch (LedgerFileException e) when (e.Fault == FileFault.InUse)
            {
                return false;
            }
        }, "the second to work on the file", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Decisions_that_come_together_are_all_on_the_disk_when_they_are_answered()
    {
        var file = Path.Combine(directory, "together.db");
        await using var ours = Open(file);
        await GrantAsync(ours);
        var ledger = new SharedLedger(ours);
        await Parallel.ForAsync(1, 100, TestContext.Current.CancellationToken, async (pod, cancellation) =>
            (await ledger.Claims.ClaimAsync("orders", Pace, 100, [ClaimOf(pod)], cancellation))[0].ShouldBeOfType<ClaimAnswer.Granted>());

        // As a kill would leave it: nothing is closed, nothing flushed.
        var copy = file + "-copy";
        File.Copy(file, copy);
        await using var found = Open(copy);
        (await GrantAsync(found)).Item2.Granted.ShouldBe(300);
    }

    [Fact]
    public async Task A_claim_that_is_repeated_writes_nothing()
    {
        var file = Path.Combine(directory, "again.db");
        await using var ours = Open(file);
        await GrantAsync(ours);
        var written = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);

        await GrantAsync(ours);

        (await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)).ShouldBe(written);
    }

    [Fact]
    public async Task A_file_that_is_taken_away_under_the_broker_grants_nothing_until_it_is_back()
    {
        var file = Path.Combine(directory, "away.db");
        await using var ours = Open(file);
        var (granted, _) = await GrantAsync(ours);
        File.Move(file, file + "-elsewhere");
        var ledger = new SharedLedger(ours);
        var claim = ClaimOf(1);
        (await Should.ThrowAsync<LedgerFileException>(async () => await ledger.Claims.ClaimAsync("orders", Pace, 100, [claim], TestContext.Current.CancellationToken)))
            .Message.ShouldContain("removed while the broker worked on it");
        (await Should.ThrowAsync<LedgerFileException>(async () => await GrantAsync(ours))).Message.ShouldContain(file, customMessage: "no new file is begun in its place");

        File.Move(file + "-elsewhere", file);

        await Eventually.HoldsAsync(async () =>
        {
            try
            {
                return (await GrantAsync(ours)).Item1.Lease == granted.Lease;
            }
            catch (LedgerFileException)
            {
                return false;
            }
        }, "the broker to work on the file again", TestContext.Current.CancellationToken);
        (await GrantAsync(ours)).Item2.Granted.ShouldBe(3, "what was not answered was not granted");
    }

    [Fact]
    public async Task A_directory_that_is_not_there_is_named()
    {
        await using var ours = Open(Path.Combine(directory, "nosuch", "ledger.db"));
        (await Should.ThrowAsync<LedgerFileException>(async () => await GrantAsync(ours))).Message.ShouldContain("its directory does not exist");
        Should.Throw<LedgerFileException>(() => FileLedgerStore.Look(Path.Combine(directory, "nosuch", "ledger.db")));
        FileLedgerStore.Look(Path.Combine(directory, "new.db")).ShouldContain("does not exist yet");
        File.Exists(Path.Combine(directory, "new.db")).ShouldBeFalse();
    }

    [Fact]
    public void The_sealing_keys_beside_the_file_are_those_that_a_broker_with_the_certificate_put_there()
    {
        var ledger = Path.Combine(directory, "keyed.db");
        var log = Microsoft.Extensions.Logging.Abstractions.NullLogger<FileKeyRing>.Instance;
        var code = new byte[32];
        new FileKeyRing(ledger, code, log).StoreElement(new("one"), "one");
        File.AppendAllText(ledger + "-keys", "somebody|<two/>\nAAAA|<thr"); // a stranger's, and a line that a killed broker left
        new FileKeyRing(ledger, code, log).StoreElement(new("four"), "four");

        new FileKeyRing(ledger, code, log).GetAllElements().Select(static element => element.Name.LocalName).ShouldBe(["one", "four"]);
        new FileKeyRing(ledger, [1, .. code[1..]], log).GetAllElements().ShouldBeEmpty("made with another certificate");
        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(ledger + "-keys").ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task A_broker_with_other_sealing_keys_takes_over_a_file_that_nobody_has_worked_on_for_a_minute()
    {
        var file = Path.Combine(directory, "sealed.db");
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(60));
        await using (var former = LedgerFiles.Open(file, clock)) (await FitnessOf(former).WhyNotAsync(Cancellation)).ShouldBeNull();

        await using var store = LedgerFiles.Open(file, clock);
        var fitness = FitnessOf(store);
        (await fitness.WhyNotAsync(Cancellation)).ShouldNotBeNull().ShouldContain("its sealing keys differ from those of the other replicas (Broker:Sealing)");
        for (var seconds = 0; seconds < 90; seconds++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            if (await fitness.WhyNotAsync(Cancellation) is null) break;
        }

        (await fitness.WhyNotAsync(Cancellation)).ShouldBeNull();
        clock.GetUtcNow().ShouldBeGreaterThan(DateTimeOffset.UnixEpoch.AddYears(60).AddMinutes(1));

        Fitness FitnessOf(ILedgerStore of) => new(of, new LedgerSeal(new EphemeralDataProtectionProvider()), new FixedCatalog(), clock);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static FileLedgerStore Open(string file) => LedgerFiles.Open(file);

    private static Broker.Core.Catalog.PaceSettings Pace => LedgerFiles.Pace;

    private static Claim ClaimOf(int pod) => LedgerFiles.ClaimOf(pod);

    private static Task<(ClaimAnswer.Granted, BudgetRecord)> GrantAsync(ILedgerStore store) => LedgerFiles.GrantAsync(store);

    [Fact]
    public async Task Records_of_a_newer_version_are_left_alone_in_words()
    {
        await using var ours = Open(Path.Combine(directory, "newer.db"));
        await GrantAsync(ours);
        ours.Tamper("HSET", LedgerKeys.Of("orders")[0], "schema", "3");
        (await Should.ThrowAsync<LedgerException>(async () => await GrantAsync(ours))).Message.ShouldContain("run the newer broker");
    }
}
