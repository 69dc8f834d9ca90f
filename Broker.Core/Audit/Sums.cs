namespace Broker.Core.Audit;

/// <summary>Records that each stand for many.</summary>
internal static class Sums
{
    /// <summary>Writes them, and stops at the first that cannot be written: the audit logs why, and the caller has logged how many there were.</summary>
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
