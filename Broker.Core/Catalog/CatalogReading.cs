namespace Broker.Core.Catalog;

/// <summary>
/// What one reading of the configuration found: both parts, or every mistake. <see cref="Catalog"/> and
/// <see cref="Settings"/> are there exactly when <see cref="Errors"/> is empty.
/// </summary>
/// <param name="Catalog">What can change without a restart.</param>
/// <param name="Settings">What cannot.</param>
/// <param name="Errors">Every mistake found.</param>
/// <param name="Files">Files whose content became part of it: when one changes, it is time to read again.</param>
public sealed record CatalogReading(
    CatalogSnapshot? Catalog, BrokerSettings? Settings, IReadOnlyList<CatalogError> Errors, IReadOnlyList<string> Files);
