using Broker.Api.Authentication;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.History;
using Broker.Core.Leases.Shadow;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;
using Broker.Core.Operators.Indicators;

namespace Broker.Api.Page;

/// <summary>Reads what the page shows, for one caller, at this moment.</summary>
internal interface IPageSource
{
    /// <summary>Reads the model. If the ledger does not answer, the model says so.</summary>
    Task<PageModel> ReadAsync(Caller caller, PageQuery query, string? done, CancellationToken cancellation);
}

/// <summary>
/// Reads what the page shows. What is the same for all viewers is read at most once a second, however many there are; the holders of a lease
/// that a viewer opens are read in addition.
/// </summary>
internal sealed class PageReader(
    ICatalog catalog, BudgetDesk budgets, LeaseDesk leases, DutyDesk duties, LeftoverDesk leftovers, HistoryDesk histories, IndicatorDesk indicators, ShadowDesk shadow, HoldingDesk holdings, TimeProvider time) : IPageSource, IDisposable
{
    private const int MostHolders = 500;
    private const int MostInLine = 10;

    // For at most this many databases in trouble the page also reads who has more open than granted, and who less, within this time: a page does not wait for a slow database.
    private const int MostInspected = 5;
    private static readonly TimeSpan InspectionLimit = TimeSpan.FromSeconds(0.5);

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(0.9);

    private static readonly LeaseState[] Order =
    [
        LeaseState.Active, LeaseState.Issuing, LeaseState.Retiring, LeaseState.Revoking, LeaseState.RevokeFailed, LeaseState.Unknown, LeaseState.Expired, LeaseState.Failed, LeaseState.Revoked,
    ];

    private readonly SemaphoreSlim reading = new(1);
    private (long At, Everything Read)? last;

    /// <inheritdoc/>
    public async Task<PageModel> ReadAsync(Caller caller, PageQuery query, string? done, CancellationToken cancellation)
    {
        try
        {
            var all = await ReadEverythingAsync(cancellation);
            var view = await ViewAsync(caller, all, query with { Lease = all.Leases.Any(lease => lease.Id == query.Lease) ? query.Lease : null }, done, null, cancellation);
            return view with { Indicators = indicators.Of(all.Budgets, all.Leases) };
        }
        catch (LedgerException e)
        {
            var trouble = PageText.LedgerAway(e);
            return last is var (_, known)
                ? await ViewAsync(caller, known, query with { Lease = null, Pods = null }, done, trouble + " What is shown is out of date.", cancellation)
                : new(caller.DisplayName, MayOrder(caller), time.GetUtcNow(), trouble, [], query, done);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => reading.Dispose();

    private async Task<PageModel> ViewAsync(Caller caller, Everything all, PageQuery query, string? done, string? trouble, CancellationToken cancellation)
    {
        var inspected = trouble is null ? await InspectAsync(all.Budgets, cancellation) : [];
        var views = new List<DatabaseView>();
        foreach (var budget in all.Budgets)
        {
            var name = budget.Database.Name;
            var its = all.Leases.Where(lease => lease.Database == name)
                .OrderBy(lease => Array.IndexOf(Order, lease.State)).ThenByDescending(lease => lease.IssuedAt ?? lease.CreatedAt).ToArray();
            views.Add(new(
                budget, its,
                [.. all.Duties.Where(duty => duty.Database == name && duty.IsFailing)],
                [.. all.Leftovers.Where(left => left.Database == name)],
                await HoldersAsync(its, query, cancellation),
                await ForecastAsync(name, query, cancellation),
                budget.Record.Now, MayOrder(caller), query)
            {
                Inspected = inspected.GetValueOrDefault(name, []),
                Line = trouble is null && budget.Record.Waiting > 0 ? await budgets.LineAsync(name, MostInLine, cancellation) ?? [] : [],
                History = trouble is null ? await histories.ReadAsync(name, HistorySpan.SixHours, cancellation) : null,
            });
        }

        return new(caller.DisplayName, MayOrder(caller), views.Count > 0 ? views[0].At : time.GetUtcNow(), trouble, views, query, done)
        {
            Failing = [.. all.Duties.Where(duty => duty.Database is null && duty.IsFailing)],
            Shadow = all.Shadow.Count > 0 || catalog.Current.VaultApi.Upstream?.Shadow == true ? new(all.Shadow, time.GetUtcNow()) : null,
        };
    }

    private async Task<Dictionary<string, IReadOnlyList<Holding>>> InspectAsync(IReadOnlyList<Budget> all, CancellationToken cancellation)
    {
        string[] names = [.. all.Where(static budget => !budget.IsStale && !budget.Record.Resting && (budget.Record.Free <= 0 || budget.Record.Waiting > 0 || budget.Record.Roles.Any(static role => role.Over > 0)))
            .Take(MostInspected).Select(static budget => budget.Database.Name)];
        var found = await Task.WhenAll(names.Select(name => InspectAsync(name, cancellation)));
        return names.Zip(found).ToDictionary(static of => of.First, static of => of.Second, StringComparer.Ordinal);
    }

    private async Task<IReadOnlyList<Holding>> InspectAsync(string database, CancellationToken cancellation)
    {
        using var soon = new CancellationTokenSource(InspectionLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(soon.Token, cancellation);
        try
        {
            return await holdings.ReadAsync(database, either.Token) is { } read ? read.Holders : [];
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return [];
        }
    }

    private bool MayOrder(Caller caller) => catalog.Current.Identity.Grants(caller, Policies.Operator);

    private async Task<IReadOnlyList<HolderRecord>?> HoldersAsync(IReadOnlyList<LeaseRecord> its, PageQuery query, CancellationToken cancellation)
    {
        if (query.Lease is not { } id || !its.Any(lease => lease.Id == id) || await leases.FindAsync(id, cancellation) is not var (_, holders)) return null;
        var found = holders.Where(holder => holder.Caller.Contains(query.Search, StringComparison.OrdinalIgnoreCase) || holder.Id.Contains(query.Search, StringComparison.OrdinalIgnoreCase));
        return
        [
            .. (query.Sort switch
            {
                "connections" => found.OrderByDescending(holder => holder.Connections).ThenBy(holder => holder.Caller, StringComparer.Ordinal),
                "who" => found.OrderBy(holder => holder.Caller, StringComparer.Ordinal),
                _ => found.OrderBy(holder => holder.EndsAt),
            }).Take(MostHolders),
        ];
    }

    private async Task<string?> ForecastAsync(string database, PageQuery query, CancellationToken cancellation)
    {
        if (query.Database != database || query is not { Pods: { } pods, Connections: { } connections }) return null;
        if (pods is < 1 or > PlannedRollout.MostPods || connections is < 1 or > PlannedRollout.MostConnectionsPerPod)
            return $"Pods must be 1 to {PlannedRollout.MostPods}, and connections 1 to {PlannedRollout.MostConnectionsPerPod}.";
        var rollout = new PlannedRollout(pods, connections, PlannedRollout.SurgeOf(pods));
        return await budgets.ForecastAsync(database, rollout, null, query.At, cancellation) is { } found
            ? Fronts.Native.Budgets.ForecastShape.Of(rollout, found) is var said && said.Fits
                ? "It fits: " + said.Summary : "It does not fit: " + said.Summary
            : null;
    }

    private async Task<Everything> ReadEverythingAsync(CancellationToken cancellation)
    {
        await reading.WaitAsync(cancellation);
        try
        {
            if (last is var (at, known) && time.GetElapsedTime(at) < Fresh) return known;
            var read = new Everything(
                await budgets.ReadAllAsync(cancellation), await leases.ListAsync(null, cancellation), await duties.ListAsync(cancellation), await leftovers.ListAsync(null, cancellation),
                await shadow.ReportAsync(cancellation));
            last = (time.GetTimestamp(), read);
            return read;
        }
        finally
        {
            reading.Release();
        }
    }

    private sealed record Everything(
        IReadOnlyList<Budget> Budgets, IReadOnlyList<LeaseRecord> Leases, IReadOnlyList<Duty> Duties, IReadOnlyList<Core.Leases.Leftover> Leftovers, IReadOnlyList<ShadowRow> Shadow);
}
