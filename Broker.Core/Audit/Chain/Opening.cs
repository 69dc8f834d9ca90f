namespace Broker.Core.Audit.Chain;

/// <summary>What happens where a chain is opened.</summary>
/// <param name="Started">A broker started.</param>
/// <param name="NewFile">The file was empty.</param>
/// <param name="Torn">The file ended with half a line.</param>
/// <param name="Behind">The end of another chain in the same file; null: there is none.</param>
/// <param name="Doubt">What the broker found wrong with its file when it started; null when nothing.</param>
internal sealed record Opening(bool Started, bool NewFile, bool Torn, ChainHead? Behind, string? Doubt);
