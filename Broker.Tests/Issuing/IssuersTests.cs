using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing;

public sealed class IssuersTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public void An_issuer_whose_definition_is_gone_is_disposed_of_once_nobody_can_be_at_work_with_it()
    {
        var made = new List<Issuer>();
        using var issuers = new Issuers(definition => Made(made), time);
        var (kept, gone) = (new BuiltInIssuerDefinition("kept"), new BuiltInIssuerDefinition("gone"));
        (_, _) = (issuers[kept], issuers[gone]);

        issuers.Keep([new BuiltInIssuerDefinition("kept")]);
        issuers.Count.ShouldBe(1);
        made[1].Disposed.ShouldBeFalse("somebody may be issuing with it");
        time.Advance(Issuers.UsedAtMost);
        made[1].Disposed.ShouldBeTrue();
        made[0].Disposed.ShouldBeFalse();
        issuers[kept].ShouldBe(made[0]);
    }

    [Fact]
    public void However_often_the_configuration_changes_there_are_as_many_issuers_as_it_names()
    {
        var made = new List<Issuer>();
        using var issuers = new Issuers(definition => Made(made), time);
        for (var i = 0; i < 1000; i++)
        {
            var definition = new BuiltInIssuerDefinition($"version-{i}");
            issuers.Keep([definition]);
            _ = issuers[definition];
            time.Advance(TimeSpan.FromMinutes(1));
        }

        issuers.Count.ShouldBe(1);
        made.Count(issuer => !issuer.Disposed).ShouldBeLessThanOrEqualTo(11);
    }

    private static Issuer Made(List<Issuer> made)
    {
        var issuer = new Issuer();
        made.Add(issuer);
        return issuer;
    }

    private sealed class Issuer : IIssuer, IDisposable
    {
        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;

        public Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation) => throw new NotSupportedException();

        public Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation) => throw new NotSupportedException();

        public Task RevokeAsync(IssuerLease lease, CancellationToken cancellation) => throw new NotSupportedException();

        public Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation) => throw new NotSupportedException();

        public Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation) => throw new NotSupportedException();

        public string? ProposeUsername(Role role, Database database) => throw new NotSupportedException();

        public bool CouldHaveMade(Role role, Database database, string username, string id) => throw new NotSupportedException();
    }
}
