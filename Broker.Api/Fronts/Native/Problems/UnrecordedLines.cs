using Broker.Api.Authentication;
using Broker.Core.Limits;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>
/// How many lines of the log one caller gets while nothing can be recorded: then the audit does not say which are too many. The log has the audit's anchors,
/// and is not to be filled by whoever asks on (law L15).
/// </summary>
internal sealed class UnrecordedLines(TimeProvider time)
{
    private const double PerSecond = 1;
    private const int Burst = 60;

    private readonly RateLimit lines = new(time);

    /// <summary>Whether a request that cannot be recorded is a line of the log.</summary>
    public static bool Has(HttpContext context) => context.RequestServices.GetService<UnrecordedLines>() is not { } bound || bound.lines.Take(KeyOf(context), PerSecond, Burst) is null;

    private static string KeyOf(HttpContext context) =>
        context.GetProof()?.Caller is { } caller ? $"{caller.Issuer}: {caller.Subject}: {caller.PodUid}" : AddressName.Of(context.Connection.RemoteIpAddress);
}
