namespace Broker.Core.Catalog.Reading;

/// <summary>What a reading comes upon on its way.</summary>
/// <param name="Errors">Every mistake.</param>
/// <param name="Files">Files whose content became part of the reading.</param>
internal sealed record Findings(List<CatalogError> Errors, List<string> Files);
