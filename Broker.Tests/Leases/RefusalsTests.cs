using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What a refused caller is told, and when it should try again.</summary>
public sealed class RefusalsTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(3, 2, 4, "at least 3 connections, but only 2 are free. You could ask for 2 now", 4)]
    [InlineData(3, 2, null, "You could ask for 2 now", 4)]
    [InlineData(3, 0, 400, "none is free for you now", 10)]
    [InlineData(3, 0, 0, "none is free for you now", 1)]
    [InlineData(100, 2, 4, "at least 100 connections, but only 2 are free", 4)]
    [InlineData(101, 2, 4, "those that others have open on this database leave no more than 100 to promise", 4)]
    [InlineData(120, 2, null, "those that others have open on this database leave no more than 100 to promise", 4)]
    [InlineData(121, 2, 4, "no more than 120 can ever be promised on this database", 10)]
    public void A_full_budget_says_what_could_be_had_and_is_never_far_away(int least, int couldAskFor, int? nextEndSeconds, string says, int retrySeconds)
    {
        var answer = new ClaimAnswer.Exhausted(2, couldAskFor, 100, 120, nextEndSeconds is { } seconds ? seconds * Second : null);
        var refusal = Refusals.For(answer, Claim(least) with { LineWait = TimeSpan.Zero }, World.Orders);
        (refusal.Code, refusal.RetryAfter, refusal.Budget).ShouldBe((RefusalCode.BudgetExhausted, retrySeconds * Second, new BudgetShortfall(2, couldAskFor, 100)));
        refusal.Detail.ShouldContain(says);
    }

    [Theory]
    [InlineData(3, 400, 1)]
    [InlineData(3, null, 1)]
    [InlineData(101, null, 1)]
    [InlineData(121, 4, 10)] // there will never be so many
    public void A_caller_that_waited_in_line_comes_back_at_once_to_its_place(int least, int? nextEndSeconds, int retrySeconds)
    {
        var answer = new ClaimAnswer.Exhausted(2, 0, 100, 120, nextEndSeconds is { } seconds ? seconds * Second : null);
        Refusals.For(answer, Claim(least), World.Orders).RetryAfter.ShouldBe(retrySeconds * Second);
    }

    [Fact]
    public void A_caller_in_line_hears_how_many_came_first()
    {
        var refusal = Refusals.For(new ClaimAnswer.InLine(4, 7, 100), Claim(8), World.Orders);
        (refusal.Code, refusal.RetryAfter, refusal.Budget).ShouldBe((RefusalCode.BudgetExhausted, Second, new BudgetShortfall(7, 0, 100)));
        refusal.Detail.ShouldContain("7 connections are free on database 'orders', but 3 callers are ahead of you in line");
    }

    [Fact]
    public void A_caller_that_waited_in_line_for_what_others_have_open_hears_that()
    {
        var refusal = Refusals.For(new ClaimAnswer.InLine(1, 7, 7), Claim(8), World.Orders);
        (refusal.Code, refusal.RetryAfter, refusal.Budget).ShouldBe((RefusalCode.BudgetExhausted, Second, new BudgetShortfall(7, 0, 7)));
        refusal.Detail.ShouldContain("those that others have open on this database leave no more than 7 to promise");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(200, 1000)]
    [InlineData(7000, 7000)]
    public void Whose_turn_comes_later_is_throttled_until_then_and_who_is_issued_to_now_waited_too_short(int startsInMs, int retryMs)
    {
        var startsIn = TimeSpan.FromMilliseconds(startsInMs);
        foreach (var answer in new ClaimAnswer[] { new ClaimAnswer.Wait("l", startsIn), new ClaimAnswer.Issue("l", 1, startsIn) })
        {
            var refusal = Refusals.For(answer, Claim(1), World.Orders);
            (refusal.Code, refusal.RetryAfter).ShouldBe(startsInMs > 0
                ? (RefusalCode.IssueThrottled, TimeSpan.FromMilliseconds(retryMs))
                : (RefusalCode.IssuerUnavailable, Second));
        }
    }

    [Theory]
    [InlineData("LoginFailed: no pg_hba.conf entry", RefusalCode.LoginFailed, "statements need to be corrected: no pg_hba.conf entry")]
    [InlineData("DatabaseUnavailable: disk full", RefusalCode.DatabaseUnavailable, "because the database failed: disk full")]
    [InlineData("IssuerUnavailable: Vault: sealed", RefusalCode.IssuerUnavailable, "could not create a database user: Vault: sealed")]
    [InlineData("words of another version", RefusalCode.IssuerUnavailable, "could not create a database user: words of another version")]
    [InlineData(": no code", RefusalCode.IssuerUnavailable, "could not create a database user: : no code")]
    public void A_failed_issue_is_told_in_the_words_of_what_failed(string why, RefusalCode code, string says)
    {
        var refusal = Refusals.For(new ClaimAnswer.Failed(Minute, why), Claim(1), World.Orders);
        (refusal.Code, refusal.RetryAfter).ShouldBe((code, Minute));
        refusal.Detail.ShouldEndWith(says);
        Refusals.For(new ClaimAnswer.Failed(TimeSpan.Zero, why), Claim(1), World.Orders).RetryAfter.ShouldBe(Second, "not at once");
    }

    [Fact]
    public void Every_answer_but_a_grant_is_a_refusal_in_words()
    {
        foreach (var kind in typeof(ClaimAnswer).GetNestedTypes().Where(kind => kind.IsSubclassOf(typeof(ClaimAnswer)) && kind != typeof(ClaimAnswer.Granted)))
        {
            var parameters = kind.GetConstructors()[0].GetParameters();
            var answer = (ClaimAnswer)Activator.CreateInstance(kind, [.. parameters.Select(parameter => parameter.ParameterType == typeof(string) ? "" : parameter.ParameterType.IsValueType ? Activator.CreateInstance(parameter.ParameterType) : null)])!;
            Refusals.For(answer, Claim(1), World.Orders).Detail.ShouldNotBeEmpty(kind.Name);
        }
    }

    [Fact]
    public void Who_comes_late_for_the_last_time_may_try_again()
    {
        var refusal = Refusals.For(new ClaimAnswer.Late(), Claim(1), World.Orders);
        (refusal.Code, refusal.RetryAfter).ShouldBe((RefusalCode.LedgerUnavailable, Second));
    }

    private static Claim Claim(int least) =>
        new("r.h", new("r", 0, Minute, 500, Minute), "r", Math.Max(least, 5), least, Minute, Minute, ClaimKind.Claim, "c");
}
