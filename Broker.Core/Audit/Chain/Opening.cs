namespace Broker.Core.Audit.Chain;

/// <summary>What begins where a chain is opened.</summary>
/// <param name="Started">A broker started.</param>
/// <param name="NewFile">The file was empty.</param>
/// <param name="Torn">Half a line stood at the end of the file.</param>
/// <param name="Behind">The end of another chain in the same file; null: there is none.</param>
/// <param name="Doubt">What the broker found wrong with its file when it started; null: nothing.</param>
internal sealed record Opening(bool Started, bool NewFile, bool Torn, ChainHead? Behind, string? Doubt);
