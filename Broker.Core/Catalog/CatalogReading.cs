namespace Broker.Core.Catalog;

/// <summary>
/// The result of reading the configuration: both parts, or every mistake. <see cref="Catalog"/> and
/// <see cref="Settings"/> are set exactly when <see cref="Errors"/> is empty.
/// </summary>
/// <param name="Catalog">The part that can change without a restart.</param>
/// <param name="Settings">The part that cannot.</param>
/// <param name="Errors">Every mistake found.</param>
/// <param name="Files">Files whose content is part of the result: when one changes, the configuration has to be read again.</param>
public sealed record CatalogReading(
    CatalogSnapshot? Catalog, BrokerSettings? Settings, IReadOnlyList<CatalogError> Errors, IReadOnlyList<string> Files);
