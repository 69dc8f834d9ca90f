namespace Broker.Core.Catalog;

/// <summary>One mistake in the configuration. Never contains a configured secret.</summary>
/// <param name="Path">Where it is: <c>Broker:Roles:orders-api:Connections:Max</c>.</param>
/// <param name="Problem">What is wrong there.</param>
/// <param name="Mend">What to write instead.</param>
public sealed record CatalogError(string Path, string Problem, string Mend)
{
    /// <summary>One line: path, problem, mend.</summary>
    public override string ToString() => $"{Path}: {Problem} {Mend}";
}

/// <summary>The configuration cannot be used. The message lists every mistake, one a line.</summary>
public sealed class CatalogException(IReadOnlyList<CatalogError> errors) : Exception(Describe(errors))
{
    /// <summary>Every mistake found.</summary>
    public IReadOnlyList<CatalogError> Errors { get; } = errors;

    private static string Describe(IReadOnlyList<CatalogError> errors) =>
        $"The configuration has {errors.Count} mistake{(errors.Count == 1 ? "" : "s")}; the broker does not start until all are corrected:"
        + string.Concat(errors.Select(error => $"{Environment.NewLine}  - {error}"));
}
