using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;

namespace LoadTests.FromInside.Simulation;

/// <summary>One replica's way to the model issuer.</summary>
internal sealed class IssuerLink(IssuerServer server, Random random) : IIssuer
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation) =>
        CallAsync(() => server.Issue(order), IssuerFailure.AnswerLost, cancellation);

    public Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation) =>
        CallAsync(() => server.Renew(lease, increment, now), IssuerFailure.Unavailable, cancellation);

    public Task RevokeAsync(IssuerLease lease, CancellationToken cancellation) =>
        CallAsync(() => server.Revoke(lease), IssuerFailure.Unavailable, cancellation);

    public Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation) =>
        CallAsync(() => server.LookUp(lease), IssuerFailure.Unavailable, cancellation);

    public Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation) =>
        CallAsync(() => server.List(role), IssuerFailure.Unavailable, cancellation);

    public string? ProposeUsername(Role role, Database database) =>
        server.Manners == IssuerManners.BuiltIn ? UserNames.Prefix(role.Name, 63) + string.Concat(Enumerable.Range(0, 16).Select(_ => (char)('a' + random.Next(26)))) : null;

    public bool CouldHaveMade(Role role, Database database, string username, string id) => server.Manners == IssuerManners.BuiltIn
        ? (id.Length == 0 || id == username) && (username.Length == 0 || UserNames.IsOf(username, role.Name, 63))
        : (id.Length == 0 || id.StartsWith($"database/creds/{role.Name}/", StringComparison.Ordinal))
            && (username.Length == 0 || username.StartsWith($"v-broker-{role.Name}-", StringComparison.Ordinal));

    private Task<T> CallAsync<T>(Func<T> carryOut, IssuerFailure lost, CancellationToken cancellation)
    {
        var slow = server.SlowBy * random.NextDouble();
        var there = TimeSpan.FromMicroseconds(random.Next(500, 40_000)) + slow / 2;
        var fate = new Fate(there, TimeSpan.FromMicroseconds(random.Next(500, 10_000)) + slow / 2, Returns: random.NextDouble() >= server.LosesAnswers);
        return server.Wire.CallAsync(carryOut, fate, Patience, () => new IssuerException(lost, "the issuer did not answer in time"), cancellation);
    }
}
