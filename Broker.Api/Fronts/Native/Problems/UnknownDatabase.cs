using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Core.Audit;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>The refusal for a database that the catalog does not have.</summary>
internal static class UnknownDatabase
{
    /// <summary>It, as the API's description shows it.</summary>
    public static RefusedAs Described { get; } = new(RefusalCode.InvalidRequest, StatusCodes.Status404NotFound, Detail("orders"));

    /// <summary>Refuses a read.</summary>
    public static Task RefuseUnknownDatabaseAsync(this RequestGuard guard, HttpContext context, string database) => guard.RefuseAsync(
        context, AuditAction.Read, context.ProvenCaller(), null, new(RefusalCode.InvalidRequest, Detail(database)), StatusCodes.Status404NotFound);

    private static string Detail(string database) => $"There is no database '{database}'. GET /api/v1/budgets lists all databases.";
}
