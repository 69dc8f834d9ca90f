using Broker.Core.Model;

namespace Broker.Core.Identity;

/// <summary>Proves a caller again during a long request: before it is granted or renewed anything after a wait.</summary>
public interface IStandingProof
{
    /// <summary>Why the caller is no longer proven; null while it is. A refusal with a retry time means that this cannot be determined now.</summary>
    ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation);
}
