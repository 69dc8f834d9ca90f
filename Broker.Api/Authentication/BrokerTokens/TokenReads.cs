using Broker.Core.Limits;

namespace Broker.Api.Authentication.BrokerTokens;

/// <summary>
/// Bounds the reads of the ledger for tokens that only the ledger knows, which anybody can make up: 32 at once, and 1,000 wait, for five
/// seconds at most, in turns by address and there by token (law L10).
/// </summary>
internal sealed class TokenReads(TimeProvider time)
{
    private readonly FairLine line = new(places: 32, mostWaiting: 1000, longest: TimeSpan.FromSeconds(5), time);

    /// <summary>Takes a place, to be given back with <see cref="Leave"/>. False when there was none in time.</summary>
    /// <param name="from">A key that stands for the address that the token came from.</param>
    /// <param name="id">The token's id in the ledger.</param>
    public ValueTask<bool> EnterAsync(string from, string id) => line.EnterAsync(new(from, id));

    /// <summary>Gives the place to the next one.</summary>
    public void Leave() => line.Leave();
}
