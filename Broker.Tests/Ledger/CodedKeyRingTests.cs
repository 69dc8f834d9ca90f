using System.Xml.Linq;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Sealing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>The sealing keys of several replicas in a place that loses them.</summary>
public sealed class CodedKeyRingTests
{
    private readonly List<string> place = [];
    private readonly FakeTimeProvider time = new();

    [Fact]
    public void L8_Keys_that_their_place_lost_are_put_back_by_who_read_or_made_them()
    {
        var (maker, reader) = (Ring(), Ring());
        Make(maker, "first");
        NamesOf(reader).ShouldBe(["first"]);
        Make(maker, "second");
        NamesOf(maker).ShouldBe(["first", "second"]);

        place.Clear();
        reader.PutBack();
        NamesOf(Ring()).ShouldBe(["first"], "the reader has not read the second");
        maker.PutBack();
        NamesOf(Ring()).ShouldBe(["first", "second"]);

        maker.PutBack();
        reader.PutBack();
        place.Count.ShouldBe(2, "nothing is missing");
    }

    [Fact]
    public void L8_Keys_that_are_lost_are_known_to_who_read_them_before_anybody_has_put_them_back()
    {
        var ring = Ring();
        Make(ring, "first");
        NamesOf(ring).ShouldBe(["first"]);
        place.Clear();
        NamesOf(ring).ShouldBe(["first"]);
    }

    [Fact]
    public void L8_A_replica_that_finds_no_keys_makes_none_before_others_have_had_time_to_put_theirs_back()
    {
        var old = Ring();
        Make(old, "first");
        NamesOf(old).ShouldBe(["first"]);
        place.Clear();

        var starting = Ring();
        Should.Throw<LedgerException>(starting.GetAllElements).Message.ShouldContain("There are no sealing keys");
        time.Advance(DutyLedger.Settling - TimeSpan.FromMilliseconds(1));
        Should.Throw<LedgerException>(starting.GetAllElements);
        old.PutBack();
        NamesOf(starting).ShouldBe(["first"]);

        place.Clear();
        var alone = Ring();
        Should.Throw<LedgerException>(alone.GetAllElements);
        time.Advance(DutyLedger.Settling);
        alone.GetAllElements().ShouldBeEmpty("nobody knows any: it may make some");
    }

    [Fact]
    public void L14_Nothing_that_somebody_else_wrote_is_believed_or_put_back()
    {
        var ring = Ring();
        Make(ring, "ours");
        var code = place[0].Split('|')[0];
        place.AddRange(["<theirs/>", code + "|<theirs/>", "|<theirs/>"]);
        Make(Ring(code: 7), "theirs");
        NamesOf(ring).ShouldBe(["ours"]);

        place.Clear();
        ring.PutBack();
        place.ShouldHaveSingleItem().ShouldBe(code + "|<ours />");
    }

    [Fact]
    public void A_key_that_several_replicas_put_back_is_one_key()
    {
        Make(Ring(), "ours");
        place.Add(place[0]);
        NamesOf(Ring()).ShouldBe(["ours"]);
    }

    private ListedRing Ring(byte code = 0) => new(place, code, time);

    private static void Make(ListedRing ring, string name) => ring.StoreElement(new XElement(name), name);

    private static string[] NamesOf(ListedRing ring) => [.. ring.GetAllElements().Select(static element => element.Name.LocalName)];

    private sealed class ListedRing(List<string> place, byte code, TimeProvider time) : CodedKeyRing("a list", [code, 1, 2, 3], NullLogger.Instance, DutyLedger.Settling, time)
    {
        protected override IEnumerable<string> Read() => place;

        protected override void Append(string text) => place.Add(text);
    }
}
