using Broker.Core.Catalog;
using Broker.Core.Leases.Claims;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What a claim asks the ledger for.</summary>
public sealed class ClaimMakerTests
{
    private static readonly WaitingSettings Waiting = new();

    private static Role Role { get; } = World.OrdersApi with { Connections = new() { Default = 5, Min = 2, Max = 8, ExpectedHolders = 10, SurgePercent = 25 } };

    [Theory]
    [InlineData(null, null, 5, 2)]
    [InlineData(6, null, 6, 6)]
    [InlineData(6, 3, 6, 3)]
    [InlineData(null, 5, 5, 5)]
    [InlineData(2, 2, 2, 2)]
    [InlineData(8, 8, 8, 8)]
    public void A_claim_wants_what_is_asked_for_or_the_roles_usual_and_can_live_with_the_least_that_is_named(int? connections, int? least, int want, int canLiveWith)
    {
        ClaimMaker.From(World.Ask(0, connections, least), Role, Waiting, out var claim).ShouldBeNull();
        (claim.Want, claim.Least).ShouldBe((want, canLiveWith));
    }

    [Theory]
    [InlineData(1, null, "'connections' is 1; role 'orders-api' grants 2 to 8.")]
    [InlineData(9, null, "'connections' is 9; role 'orders-api' grants 2 to 8.")]
    [InlineData(4, 1, "'minConnections' is 1; it must be from 2 (the role's minimum) to 4 (the connections you ask for).")]
    [InlineData(4, 5, "'minConnections' is 5; it must be from 2 (the role's minimum) to 4 (the connections you ask for).")]
    [InlineData(null, 6, "'minConnections' is 6; it must be from 2 (the role's minimum) to 5 (the connections you ask for).")]
    public void What_the_role_does_not_give_is_said(int? connections, int? least, string says) =>
        ClaimMaker.From(World.Ask(0, connections, least), Role, Waiting, out _).ShouldBe(says);

    [Fact]
    public void A_claim_waits_as_long_as_is_preferred_but_no_longer_than_may_be_and_stands_in_line_only_when_asked_to()
    {
        Waits(null).ShouldBe((Waiting.Default, TimeSpan.Zero));
        Waits(TimeSpan.FromSeconds(3)).ShouldBe((TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(3)));
        Waits(TimeSpan.FromDays(1)).ShouldBe((Waiting.MaxWait, Waiting.MaxWait));

        static (TimeSpan Issue, TimeSpan Line) Waits(TimeSpan? wait)
        {
            ClaimMaker.From(World.Ask(0, wait: wait), Role, Waiting, out var claim).ShouldBeNull();
            return (claim.IssueWait, claim.LineWait);
        }
    }

    [Theory]
    [InlineData(10, 25, 13)]
    [InlineData(10, 0, 10)]
    [InlineData(100, 25, 125)]
    [InlineData(0, 25, 0)]
    public void A_roles_seats_are_its_expected_holders_and_their_surge_rounded_up(int expected, int surge, int seats) =>
        ClaimMaker.TermsOf(Role with { Connections = Role.Connections with { ExpectedHolders = expected, SurgePercent = surge } }).Seats.ShouldBe(seats);
}
