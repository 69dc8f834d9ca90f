using System.Globalization;
using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Operators.Indicators;

namespace Broker.Core.Operators.Indicators;

/// <summary>When the last recovery drill was, by the report that it left (docs/drill.md).</summary>
internal sealed class LastDrill(DrillSettings settings, TimeProvider time)
{
    /// <summary>Its age as an indicator; the report is read anew each time.</summary>
    public Indicator Read()
    {
        var objective = string.Create(CultureInfo.InvariantCulture, $"a recovery drill has passed within {settings.Every.TotalDays:0.#} days");
        Indicator Unmet(string why) => new("recovery-drill", objective, null, "d", false, why);
        if (settings.ReportFile is not { } file) return Unmet("No drill report is configured (Broker:Drill:ReportFile).");
        try
        {
            using var report = JsonDocument.Parse(File.ReadAllBytes(file));
            var endedAt = report.RootElement.GetProperty("endedAt").GetDateTimeOffset();
            var age = time.GetUtcNow() - endedAt;
            if (age < TimeSpan.FromMinutes(-5)) return Unmet("The last drill's report is dated in the future: a clock is wrong.");
            var passed = report.RootElement.GetProperty("passed").GetBoolean();
            return new(
                "recovery-drill", objective, Math.Max(0, age.TotalDays), "d", passed && age <= settings.Every,
                $"The last one ended {endedAt.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)} and {(passed ? "passed" : "failed")}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unmet($"The last drill's report cannot be read: {e.Message}");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return Unmet("The last drill's report is not valid: it lacks endedAt or passed.");
        }
    }
}
