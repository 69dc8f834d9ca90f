using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What a test of an issuer needs.</summary>
/// <param name="Issuer">The issuer under test.</param>
/// <param name="Role">A role it can issue for, with a lease of an hour or more.</param>
/// <param name="Database">The role's database.</param>
/// <param name="LoginWorks">Whether the database takes a login.</param>
/// <param name="TearDown">Ends what was started.</param>
public sealed record IssuerBench(
    IIssuer Issuer, Role Role, Database Database, Func<Login, Task<bool>> LoginWorks, Func<ValueTask> TearDown);

/// <summary>What every issuer must do.</summary>
public abstract class IssuerContract : IAsyncLifetime
{
    private IssuerBench bench = null!;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract Task<IssuerBench> SetUpAsync();

    private IIssuer Issuer => bench.Issuer;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync() => bench = await SetUpAsync();

    public async ValueTask DisposeAsync()
    {
        await bench.TearDown();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Issuing_gives_a_login_that_works_and_a_time()
    {
        var issued = await IssueAsync();

        (await bench.LoginWorks(issued.Login)).ShouldBeTrue();
        issued.Id.ShouldNotBeEmpty();
        issued.Term.Duration.ShouldBeGreaterThan(TimeSpan.FromMinutes(1));
        issued.Term.Renewable.ShouldBeTrue();
    }

    [Fact]
    public async Task L5_The_user_has_the_name_that_was_proposed()
    {
        var proposed = Issuer.ProposeUsername(bench.Role, bench.Database);

        var issued = await Issuer.IssueAsync(new(bench.Role, bench.Database, proposed, Now), Cancellation);

        if (proposed is not null)
            issued.Login.Username.ShouldBe(proposed);
        Issuer.ProposeUsername(bench.Role, bench.Database).ShouldNotBe(proposed ?? "none");
    }

    [Fact]
    public async Task Two_issues_make_two_users()
    {
        var (one, two) = (await IssueAsync(), await IssueAsync());

        one.Id.ShouldNotBe(two.Id);
        one.Login.Username.ShouldNotBe(two.Login.Username);
        one.Login.Password.ShouldNotBe(two.Login.Password);
    }

    [Fact]
    public async Task Renewing_gives_more_time_that_can_be_looked_up()
    {
        var issued = await IssueAsync();

        var term = await Issuer.RenewAsync(LeaseOf(issued), TimeSpan.FromMinutes(90), Now, Cancellation);

        var seen = await Issuer.LookUpAsync(LeaseOf(issued), Now, Cancellation);
        seen.ShouldNotBeNull();
        if (seen.Warning is null) // otherwise it says that it cannot tell
            seen.Duration.ShouldBeInRange(term.Duration - TimeSpan.FromMinutes(1), term.Duration + TimeSpan.FromSeconds(1));
        (await bench.LoginWorks(issued.Login)).ShouldBeTrue();
    }

    [Fact]
    public async Task Revoking_drops_the_user_and_doing_it_again_is_no_failure()
    {
        var issued = await IssueAsync();

        await Issuer.RevokeAsync(LeaseOf(issued), Cancellation);

        (await bench.LoginWorks(issued.Login)).ShouldBeFalse();
        (await Issuer.LookUpAsync(LeaseOf(issued), Now, Cancellation)).ShouldBeNull();
        await Issuer.RevokeAsync(LeaseOf(issued), Cancellation);
    }

    [Fact]
    public async Task A_revoked_lease_cannot_be_renewed()
    {
        var issued = await IssueAsync();
        await Issuer.RevokeAsync(LeaseOf(issued), Cancellation);

        var failure = await Should.ThrowAsync<IssuerException>(
            () => Issuer.RenewAsync(LeaseOf(issued), TimeSpan.FromMinutes(90), Now, Cancellation));

        failure.Failure.ShouldBe(IssuerFailure.LeaseUnknown);
    }

    [Fact]
    public async Task The_list_has_the_leases_there_are()
    {
        var (kept, revoked) = (await IssueAsync(), await IssueAsync());

        (await Issuer.ListAsync(bench.Role, bench.Database, Cancellation)).ShouldBe([kept.Id, revoked.Id], ignoreOrder: true);
        await Issuer.RevokeAsync(LeaseOf(revoked), Cancellation);

        (await Issuer.ListAsync(bench.Role, bench.Database, Cancellation)).ShouldBe([kept.Id]);
    }

    private Task<IssuedLease> IssueAsync() => Issuer.IssueAsync(
        new(bench.Role, bench.Database, Issuer.ProposeUsername(bench.Role, bench.Database), Now), Cancellation);

    private IssuerLease LeaseOf(IssuedLease issued) => new(bench.Role, bench.Database, issued.Id);
}
