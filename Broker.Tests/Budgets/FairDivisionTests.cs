using System.Globalization;
using Broker.Core.Ledger;
using CsCheck;
using KeraLua;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>The arithmetic of fair.lua alone, against the slowest solver there is: one connection after the other, to whom it raises least.</summary>
public sealed class FairDivisionTests
{
    private static readonly Gen<HolderClass> Classes = Gen.Select(Gen.Int[1, 6], Gen.Int[0, 12], Gen.Int[1, 5], (least, more, n) => new HolderClass(least, least + more, n));

    private static readonly Gen<Party> Parties = Gen.Select(
        Classes.Array[0, 3], Gen.Int[1, 5], Gen.Frequency((3, Gen.Const(0)), (1, Gen.Int[1, 40])), Gen.Frequency((3, Gen.Const(0)), (1, Gen.Int[1, 2])),
        (classes, weight, guaranteed, priority) => new Party(classes, weight, guaranteed, priority));

    [Fact]
    public void Every_division_is_the_one_that_fills_one_connection_after_the_other() => Gen.Select(Gen.Int[0, 200], Parties.Array[1, 5]).Sample(
        (connections, parties) =>
        {
            using var lua = new Lua();
            var shares = Divide(lua, connections, parties);
            var slow = FairSolver.Shares(connections, parties);
            for (var i = 0; i < parties.Length; i++)
            {
                // Of whole connections the last ones go to either of two whom they would raise as much.
                Math.Abs(shares[i].Share - slow[i]).ShouldBeLessThanOrEqualTo(1, $"party {i}");
                var floor = parties[i].Floor;
                shares[i].Share.ShouldBeInRange(floor, Math.Max(floor, parties[i].Lid));
                var sizes = FairSolver.Sizes(shares[i].Share, parties[i]);
                var levelled = parties[i].Classes.SelectMany(one => Enumerable.Repeat(Math.Clamp(shares[i].Level, one.Least, one.Want), one.Count)).Sum() + shares[i].Extra;
                levelled.ShouldBe(sizes.Sum(), "the level and the extra ones come to the share");
                sizes.Count(size => size > shares[i].Level && size <= shares[i].Level + 1).ShouldBeGreaterThanOrEqualTo(shares[i].Extra);
            }

            shares.Sum(share => share.Share).ShouldBe(slow.Sum());
        },
        iter: 10_000);

    [Theory]
    [InlineData(60, "60: small takes what it wants, the rest is the greedy one's", new[] { 50, 10 })]
    [InlineData(15, "15: both want more than there is, and get the same", new[] { 8, 7 })]
    public void Two_parties_share_alike_until_one_has_what_it_wants(int connections, string why, int[] expected)
    {
        using var lua = new Lua();
        Party[] parties = [new([new(0, 20, 10)], 1, 0, 0), new([new(0, 5, 2)], 1, 0, 0)];
        Divide(lua, connections, parties).Select(share => share.Share).ShouldBe(expected, why);
    }

    [Fact]
    public void A_weight_of_two_gets_twice_as_much_a_guarantee_is_a_floor_and_a_higher_priority_is_filled_first()
    {
        using var lua = new Lua();
        Divide(lua, 30, [new([new(0, 20, 5)], 2, 0, 0), new([new(0, 20, 5)], 1, 0, 0)]).Select(share => share.Share).ShouldBe([20, 10]);
        Divide(lua, 30, [new([new(0, 20, 5)], 9, 0, 0), new([new(0, 20, 5)], 1, 12, 0)]).Select(share => share.Share).ShouldBe([18, 12]);
        Divide(lua, 30, [new([new(1, 20, 5)], 9, 0, 0), new([new(0, 20, 5)], 1, 0, 1)]).Select(share => share.Share).ShouldBe([5, 25], "but what the lower one's holders cannot do without");
    }

    private static (int Share, int Level, int Extra)[] Divide(Lua lua, int connections, IReadOnlyList<Party> parties)
    {
        var told = string.Join(", ", parties.Select(party =>
            $"{{ weight = {party.Weight}, guaranteed = {party.Guaranteed}, priority = {party.Priority}, classes = {{ {string.Join(", ", party.Classes.Select(one => $"{{ least = {one.Least}, want = {one.Want}, n = {one.Count} }}"))} }} }}"));
        var script = Decision.Read("fair.lua") + string.Create(CultureInfo.InvariantCulture, $"""

            local parties = {"{"} {told} {"}"}
            divide({connections}, parties)
            local said = {"{}"}
            for i, p in ipairs(parties) do said[i] = string.format('%d,%d,%d', p.share, p.level, p.extra) end
            return table.concat(said, ';')
            """);
        lua.LoadString(script).ShouldBe(LuaStatus.OK, lua.ToString(-1));
        lua.PCall(0, 1, 0).ShouldBe(LuaStatus.OK, lua.ToString(-1));
        var answer = lua.ToString(-1);
        lua.SetTop(0);
        return [.. answer.Split(';').Select(one => one.Split(',').Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray() is [var share, var level, var extra] ? (share, level, extra) : default)];
    }
}
