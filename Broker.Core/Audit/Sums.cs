namespace Broker.Core.Audit;

/// <summary>Records that each stand for many.</summary>
internal static class Sums
{
    /// <summary>Writes them. One that cannot be written ends it: the audit's own log says why, and whoever counted said how many there were.</summary>
    public static async Task WriteAllAsync(this IAudit audit, IReadOnlyList<AuditRecord> sums)
    {
        foreach (var sum in sums)
        {
            try
            {
                await audit.WriteAsync(sum, CancellationToken.None);
            }
            catch (AuditUnavailableException)
            {
                return;
            }
        }
    }
}
