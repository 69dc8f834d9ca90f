using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Fronts;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;

namespace Broker.Api.Page;

/// <summary>The orders that an operator can give on the page: describes what each would do to whom, and carries it out.</summary>
internal sealed class PageOrders(BudgetDesk budgets, LeaseDesk leases, CeilingDesk ceilings, PauseDesk pauses, HolderDesk holders, HoldingDesk holdings, LeftoverDesk leftovers, RequestGuard guard, TimeProvider time)
{
    private const int MostNamed = 50;

    /// <summary>What an order would do; null when there is no such order, or no such subject.</summary>
    public async Task<OrderModel?> DescribeAsync(string kind, Func<string, string?> field, CancellationToken cancellation) => kind switch
    {
        "rotate" when field("role") is { } role => await RotateAsync(role, cancellation),
        "pause" or "drain" or "resume" when field("role") is { } role => await PauseAsync(kind, role, cancellation),
        "revoke" when field("lease") is { } lease => await RevokeAsync(lease, cancellation),
        "end" when field("holder") is { } holder => await EndAsync(holder, cancellation),
        "ceiling" when field("database") is { } database => await CeilingAsync(database, cancellation),
        "configured" when field("database") is { } database => await ConfiguredAsync(database, cancellation),
        "drop" when field("database") is { } database && field("user") is { } user => await DropAsync(database, user, cancellation),
        _ => null,
    };

    /// <summary>Carries out an order that was described. Null: done; otherwise why not, which has been recorded.</summary>
    public async Task<Refusal?> GiveAsync(string kind, Func<string, string?> field, HttpContext context)
    {
        var reason = field("reason") ?? "";
        if (OperatorsBody.WhyNoReason(reason) is { } none) return await RefusedAsync(kind, field, none, context);
        int? ceiling = null;
        if (kind == "ceiling" && field("ceiling") is { Length: > 0 } text)
        {
            if (!int.TryParse(text, CultureInfo.InvariantCulture, out var number) || number < 0)
                return await RefusedAsync(kind, field, "The ceiling must be a number of connections, or empty.", context);
            ceiling = number;
        }

        var (caller, origin, cancellation) = (context.ProvenCaller(), context.Origin(), Requests.ToItsEnd);
        return kind switch
        {
            "rotate" => await leases.RotateAsync(caller, field("role")!, reason, origin, cancellation),
            "pause" => await pauses.SetAsync(caller, field("role")!, RoleState.Paused, reason, origin, cancellation),
            "drain" => await pauses.SetAsync(caller, field("role")!, RoleState.Draining, reason, origin, cancellation),
            "resume" => await pauses.SetAsync(caller, field("role")!, RoleState.Open, reason, origin, cancellation),
            "revoke" => await leases.RevokeAsync(caller, field("lease")!, reason, origin, cancellation),
            "end" => await holders.EndAsync(caller, field("holder")!, reason, origin, cancellation),
            "ceiling" => await ceilings.SetAsync(caller, field("database")!, ceiling, reason, origin, cancellation),
            "configured" => await ceilings.SetAsync(caller, field("database")!, null, reason, origin, cancellation),
            "drop" => await leftovers.DropAsync(caller, field("database")!, field("user")!, reason, origin, cancellation),
            _ => new Refusal(RefusalCode.InvalidRequest, "There is no such order."),
        };
    }

    /// <summary>Refuses an order that reaches no desk, as the API does: it is on record.</summary>
    public Task<Refusal> RefusedAsync(string kind, Func<string, string?> field, string why, HttpContext context)
    {
        var action = kind switch
        {
            "rotate" => AuditAction.Rotate,
            "pause" or "drain" or "resume" => AuditAction.Pause,
            "revoke" or "drop" => AuditAction.Revoke,
            "end" => AuditAction.End,
            "ceiling" or "configured" => AuditAction.Ceiling,
            _ => AuditAction.Authenticate,
        };
        return guard.RecordRefusalAsync(context, action, context.ProvenCaller(), field("role"), new(RefusalCode.InvalidRequest, why), StatusCodes.Status409Conflict);
    }

    private async Task<OrderModel?> RotateAsync(string role, CancellationToken cancellation)
    {
        if (await budgets.FindRoleAsync(role, cancellation) is not var (budget, _)) return null;
        var its = (await leases.ListAsync(null, cancellation)).Where(lease => lease.Role == role && lease.State == LeaseState.Active).ToArray();
        return new(
            $"Rotate role {role}", "/orders/rotate", "Rotate",
            its.Length == 0 ? ["The role has no lease now: there is nothing to rotate."] :
            [
                $"{Wording.Count(its.Length, "lease")} with {Wording.Count(its.Sum(lease => lease.Holders), "holder")} {(its.Length == 1 ? "gets" : "get")} a successor: a new database user.",
                "Nobody is cut off. Holders move when they renew; the old user is dropped when the last has moved. The table of leases shows the progress.",
            ],
            [.. its.Select(lease => $"{lease.Username}: {Wording.Count(lease.Holders, "holder")}")], [("role", role)])
        {
            Place = PlaceOf(budget.Database.Name),
        };
    }

    private async Task<OrderModel?> PauseAsync(string kind, string role, CancellationToken cancellation)
    {
        if (await budgets.FindRoleAsync(role, cancellation) is not var (budget, use)) return null;
        var order = budget.Pauses.FirstOrDefault(pause => pause.Role == role);
        if (kind == "resume" && order is null) return null;
        string[] held = [$"{Wording.Count(use.Holders, "holder")} {(use.Holders == 1 ? "has" : "have")} {Wording.Count(use.Connections, "connection")} of it now."];
        var place = PlaceOf(budget.Database.Name);
        return kind switch
        {
            "pause" => new(
                $"Pause role {role}", "/orders/pause", "Pause it",
                [
                    "No new holder gets it, on any replica, from now on: claims are refused with your reason, at once for those that wait in line.",
                    .. held,
                    "They keep it and renew as before, and their lease is renewed and replaced as before. Resuming the role undoes this.",
                ],
                [], [("role", role)])
            { Place = place },
            "drain" => new(
                $"Drain role {role}", "/orders/drain", "Drain it",
                [
                    "No new holder gets it, and no holder gets more time: claims and renewals are refused with your reason.",
                    .. held,
                    "Each keeps its login and its connections until its own end; when the last has ended, the database user is dropped. Resuming the role undoes this for holders that have not ended yet.",
                ],
                [], [("role", role)])
            { Place = place },
            _ => new(
                $"Resume role {role}", "/orders/resume", "Resume it",
                [$"It was {(order!.State == RoleState.Draining ? "drained" : "paused")} by {order.By}: {order.Reason}", "Callers that may have it get it again, as far as connections are free."],
                [], [("role", role)])
            { Place = place },
        };
    }

    private async Task<OrderModel?> RevokeAsync(string id, CancellationToken cancellation)
    {
        if (await leases.FindAsync(id, cancellation) is not var (lease, its)) return null;
        return new(
            $"Revoke the lease of {lease.Username}", "/orders/revoke", "Revoke now",
            [
                $"Database user {lease.Username} of role {lease.Role} is dropped now, and its sessions are ended: running queries fail.",
                $"{Wording.Count(lease.Holders, "holder")} with {Wording.Count(lease.Connections, "connection")} lose their login at once, and get another when they ask. This cannot be undone; to change the user without cutting anybody off, rotate the role.",
            ],
            NamesOf(its), [("lease", id)])
        {
            Place = PlaceOf(lease.Database),
        };
    }

    private async Task<OrderModel?> EndAsync(string id, CancellationToken cancellation)
    {
        if (!HolderId.TryParse(id, out var parsed) || await budgets.FindRoleAsync(parsed.Role, cancellation) is not var (budget, _)) return null;
        var all = await holdings.ReadAsync(budget.Database.Name, cancellation);
        if (all?.Holders.FirstOrDefault(one => one.Id == id) is not { } holder) return null;
        var open = holder.Open is { } seen ? $"{Wording.Number(seen.Connections)} open now" : "what it has open is not known";
        return new(
            $"End the holder {holder.Caller}", "/orders/end", "End it",
            [
                $"{holder.Caller} has {Wording.Count(holder.Granted + holder.Moving, "connection")} of role {holder.Role}, {open}. They become free; those that stay open count as foreign until they are closed.",
                $"Its pod is told that it no longer holds anything, and may ask again. The role's other holders keep their login, which is {(holder.Username.Length > 0 ? holder.Username : "being issued")}. This cannot be undone.",
            ],
            [$"{holder.Caller} ({id})"], [("holder", id)])
        {
            Page = "/databases/" + Uri.EscapeDataString(budget.Database.Name),
        };
    }

    private async Task<OrderModel?> CeilingAsync(string database, CancellationToken cancellation)
    {
        if (await budgets.ReadAsync(database, cancellation) is not { } budget) return null;
        return new(
            $"Change the ceiling of {database}", "/orders/ceiling", "Change it",
            [
                $"Now {Wording.Number(budget.Record.Ceiling)} connections may be promised when nobody else uses the database; {Wording.Number(budget.Record.Granted)} are granted, and others use {Wording.Number(budget.Record.Foreign)}.",
                "A lower ceiling takes nothing from anybody: nothing new is promised until enough is free. It takes effect with the next count of connections and stays until it is taken back.",
                .. budget.Guaranteed.Count > 0
                    ? [$"{Wording.Count(budget.Guaranteed.Values.Sum(), "connection")} are guaranteed on it ({PageText.Guaranteed(budget)}): a ceiling lower than that cannot cover them all."]
                    : Array.Empty<string>(),
            ],
            [], [("database", database)])
        {
            AsksForCeiling = true,
            Place = PlaceOf(database),
        };
    }

    private async Task<OrderModel?> ConfiguredAsync(string database, CancellationToken cancellation)
    {
        if (await budgets.ReadAsync(database, cancellation) is not { CeilingOrder: { } order } budget) return null;
        return new(
            $"Take back the ceiling of {database}", "/orders/configured", "Take it back",
            [
                $"It was set to {Wording.Number(order.Connections)}{(order.By.Length > 0 ? $" by {order.By}" : "")}{(order.Reason.Length > 0 ? $": {order.Reason}" : "")}",
                $"The configured ceiling takes effect again with the next count of connections: {Configured(budget.Database.Budget)}.",
            ],
            [], [("database", database)])
        {
            Place = PlaceOf(database),
        };
    }

    private async Task<OrderModel?> DropAsync(string database, string user, CancellationToken cancellation)
    {
        if ((await leftovers.ListAsync(database, cancellation)).FirstOrDefault(of => of.Username == user) is not { } left) return null;
        return new(
            $"Drop leftover {user}", "/orders/drop", "Drop it",
            [
                $"No lease knows {user}, which looks like a user of role {left.Role}. It was first seen {Wording.Span(time.GetUtcNow() - left.FirstSeenAt)} ago, has {Wording.Count(left.OpenConnections, "connection")} open, and owns {(left.OwnedObjects is { } owned ? Wording.Count(owned, "object") : "an unknown number of objects")}{(left.Owned is { } which ? $": {which}" : "")}.",
                $"The broker checks once more. If still no lease knows it, its sessions on {database} are ended and it is dropped. This cannot be undone.",
            ],
            [], [("database", database), ("user", user)])
        {
            Place = PlaceOf(database),
        };
    }

    private static string Configured(BudgetSettings settings) =>
        $"{settings.CeilingPercent} % of what ordinary users can get{(settings.Ceiling is { } number ? $", and no more than {Wording.Number(number)}" : "")}";

    private static string PlaceOf(string database) => "#database-" + database;

    private static IReadOnlyList<string> NamesOf(IReadOnlyList<HolderRecord> holders) =>
        holders.Count <= MostNamed
            ? [.. holders.Select(holder => holder.Caller)]
            : [.. holders.Take(MostNamed).Select(holder => holder.Caller), $"and {Wording.Number(holders.Count - MostNamed)} more"];
}
