namespace Broker.Core.Catalog.Reading;

/// <summary>What reading the configuration collects.</summary>
/// <param name="Errors">Every mistake.</param>
/// <param name="Files">Files whose content became part of the reading.</param>
internal sealed record Findings(List<CatalogError> Errors, List<string> Files);
