using Broker.Tests.Audit;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// The replica that is issuing is killed (SIGKILL) at each step. The rest get one lease (L1), and soon the database has no user that the
/// ledger does not know (L5).
/// </summary>
public sealed class KilledReplicaTests
{
    [Fact]
    public async Task L1_L5_Killed_before_the_issuer_is_asked()
    {
        // One user in twenty seconds, which a pod waits for: time enough to see the second one booked and kill its replica, on a busy machine too.
        await using var scene = await DyingReplica.SetAsync(usersPerSecond: 0.05);
        await scene.SpendAUserAsync();
        await scene.AskAsync(async () => (await scene.LeasesAsync("Issuing")).Count == 1, "the next moment to be booked");
        (await scene.UsersAsync()).ShouldBeEmpty();

        await scene.KillAsync();

        await scene.OneLeaseForAllAsync();
    }

    [Fact]
    public async Task L1_L5_Killed_while_the_user_is_being_created()
    {
        await using var scene = await DyingReplica.SetAsync();
        await scene.HoldCreationAsync();
        await scene.AskAsync(scene.CreatesAsync, "a user to be half created");

        await scene.KillAsync();
        // The worst order: the database still works on it when the user has been looked for in vain.
        await DyingReplica.UntilAsync(async () => (await scene.LeasesAsync("Revoked")).Count >= 1, "the dead replica's attempt to be over");
        await scene.LetCreationGoAsync();

        await scene.OneLeaseForAllAsync();
    }

    [Fact]
    public async Task L1_L5_Killed_when_the_user_is_created_and_the_ledger_does_not_know_it()
    {
        await using var scene = await DyingReplica.SetAsync();
        await scene.HoldCreationAsync();
        await scene.AskAsync(scene.CreatesAsync, "a user to be half created");

        await scene.Stage.Redis!.PauseAsync();
        await scene.LetCreationGoAsync();
        await DyingReplica.UntilAsync(async () => (await scene.UsersAsync()).Count == 1, "the user to be there");
        var lost = (await scene.UsersAsync())[0];
        await scene.KillAsync();
        await scene.Stage.Redis.ResumeAsync();

        await scene.OneLeaseForAllAsync();
        (await scene.LeasesAsync("Revoked")).ShouldContain(lost);
    }

    [Fact]
    public async Task L1_L5_Killed_when_the_ledger_knows_the_user_and_its_login_is_being_tried()
    {
        await using var door = new ShutDoor();
        // Pods and the login check come through the door, the administrator does not.
        await using var scene = await DyingReplica.SetAsync((_, configuration) =>
        {
            var database = configuration["Broker"]!["Databases"]!["orders"]!;
            door.Behind = database["Port"]!.GetValue<int>();
            database["Port"] = door.Port;
        });
        await scene.HoldCreationAsync();
        await scene.AskAsync(scene.CreatesAsync, "a user to be half created");

        await scene.LetCreationGoAsync();
        await DyingReplica.UntilAsync(() => Task.FromResult(door.Waiting > 0), "the login to be tried");
        var lost = (await scene.UsersAsync())[0];
        await scene.KillAsync();
        door.Open();

        await scene.OneLeaseForAllAsync();
        (await scene.LeasesAsync("Revoked")).ShouldContain(lost);
    }

    [Fact]
    public async Task L1_L4_Killed_when_the_lease_is_active_and_nobody_was_answered()
    {
        using var folder = new AuditFolder();
        // Nothing is answered before it is in the audit (L7).
        using var audit = new StuckPipe(folder, isFull: false);
        await using var scene = await DyingReplica.SetAsync((replica, configuration) =>
        {
            if (replica == 1) configuration["Broker"]!["Audit"]!["Path"] = audit.Path;
        });
        await audit.FillAsync(TestContext.Current.CancellationToken);
        await scene.HoldCreationAsync();
        await scene.AskAsync(scene.CreatesAsync, "a user to be half created");

        await scene.LetCreationGoAsync();
        await DyingReplica.UntilAsync(async () => (await scene.LeasesAsync("Active")).Count == 1, "the lease to be active");
        var made = await scene.UsersAsync();
        await scene.KillAsync();

        await scene.OneLeaseForAllAsync();
        (await scene.UsersAsync()).ShouldBe(made, "the dead replica's lease lives on");
    }
}
