using Microsoft.AspNetCore.Connections;

namespace Broker.Api.Fronts;

/// <summary>How it shows that a caller left in the middle of its request. Whoever leaves has done nothing wrong, and the broker neither.</summary>
internal static class CallersThatLeft
{
    /// <summary>Whether an exception says so.</summary>
    public static bool Left(this HttpContext context, Exception e) => e switch
    {
        // Its connection broke while its body was read, which may be known before the request itself is.
        ConnectionResetException or ConnectionAbortedException => true,
        OperationCanceledException => context.RequestAborted.IsCancellationRequested,
        // How HTTP/2 tells of a request that its client gave up; derived types tell of files.
        IOException => e.GetType() == typeof(IOException) && context.RequestAborted.IsCancellationRequested,
        _ => false,
    };
}
