using System.Diagnostics;
using Broker.Core.Ledger;
using LoadTests.FromInside.Simulation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations;

/// <summary>What makes the simulation worth believing: it repeats itself, and it notices what is broken.</summary>
public sealed class SimulationTests
{
    [Fact]
    public void The_same_seed_gives_the_same_world_to_the_last_step()
    {
        foreach (var seed in new long[] { 3, 25, 1150 })
        {
            var first = Simulation.Run(PlanMaker.Make(seed), keepTrace: true);
            var again = Simulation.Run(PlanMaker.Make(seed), keepTrace: true);
            again.Lines.ShouldBe(first.Lines);
            (again.Fingerprint, again.Steps).ShouldBe((first.Fingerprint, first.Steps));
        }
    }

    [Fact]
    public void A_ledger_in_a_file_whose_process_is_killed_again_and_again_gives_the_same_world_to_the_last_step()
    {
        foreach (var seed in new long[] { 3, 25, 1150 })
        {
            var onDisk = Simulation.Run(PlanMaker.Make(seed) with { OnDisk = true }, keepTrace: false);
            onDisk.Broken.ShouldBeNull();
            onDisk.Fingerprint.ShouldBe(Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Fingerprint);
        }
    }

    [Fact]
    public void Two_seeds_give_two_worlds() =>
        Simulation.Run(PlanMaker.Make(1), keepTrace: false).Fingerprint
            .ShouldNotBe(Simulation.Run(PlanMaker.Make(2), keepTrace: false).Fingerprint);

    [Fact]
    public async Task Another_process_gives_the_same_world()
    {
        const long seed = 25;
        var here = Simulation.Run(PlanMaker.Make(seed), keepTrace: false);
        var program = Path.Combine(AppContext.BaseDirectory, "loadtests.dll");
        var start = new ProcessStartInfo("dotnet", [program, "simulate", "--seed", "25", "--seeds", "1", "--fingerprint"]) { RedirectStandardOutput = true };
        using var process = Process.Start(start).ShouldNotBeNull();
        var said = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        said.ShouldContain($"fingerprint {here.Fingerprint}");
    }

    [Fact]
    public void A_ledger_that_miscounts_is_noticed_and_the_plan_shrinks_to_what_it_takes()
    {
        static void Meddle(World world) => world.At(
            TimeSpan.FromSeconds(15), () => world.Ledger.Keys.Execute(["HINCRBY", LedgerKeys.Of(PlanMaker.DatabaseName)[0], "granted", "-1"]));

        var failed = Simulation.Run(PlanMaker.Make(1), keepTrace: false, Meddle);
        failed.Broken.ShouldNotBeNull().Law.ShouldBe("L2");
        var shrunk = Shrinking.Shrink(failed, Meddle);
        shrunk.Broken.ShouldNotBeNull().Law.ShouldBe("L2");
        shrunk.Plan.Steps.Count.ShouldBeLessThan(failed.Plan.Steps.Count);
        shrunk.Lines.ShouldContain(line => line.Contains("BROKEN L2", StringComparison.Ordinal));
    }

    [Fact]
    public void A_user_that_is_dropped_under_its_holders_is_noticed() =>
        Enumerable.Range(1, 20).Select(seed => Simulation.Run(PlanMaker.Make(seed), keepTrace: false, DropAllAt20)).ShouldContain(result => result.Broken != null && result.Broken.Law == "L4");

    [Fact]
    public void A_loss_excuses_nothing_for_a_pod_that_has_left()
    {
        var looked = 0;
        foreach (var seed in Enumerable.Range(1, 4)) Simulation.Run(PlanMaker.Make(seed), keepTrace: false, LookEachSecond).Broken.ShouldBeNull();
        looked.ShouldBeGreaterThan(100);

        void LookEachSecond(World world) => world.At(world.Now + TimeSpan.FromSeconds(1), () =>
        {
            foreach (var pod in world.Pods.Where(static pod => pod.IsGone))
            {
                looked++;
                if (world.Laws.Losses.MayForget(pod)) world.Laws.Break("fault", $"{pod.Name} is gone, and may be forgotten");
            }

            LookEachSecond(world);
        });
    }

    private static void DropAllAt20(World world) => world.At(TimeSpan.FromSeconds(20), () =>
    {
        foreach (var user in world.Database.Users.Keys.ToArray()) world.Database.Drop(user);
    });
}
