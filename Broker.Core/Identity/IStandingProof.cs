using Broker.Core.Model;

namespace Broker.Core.Identity;

/// <summary>Proves a caller again, while its request goes on: before it is handed or renewed anything after a wait.</summary>
public interface IStandingProof
{
    /// <summary>Why the caller is not proven any more; null: it is. A refusal with a time to come back: that cannot be told now.</summary>
    ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation);
}
