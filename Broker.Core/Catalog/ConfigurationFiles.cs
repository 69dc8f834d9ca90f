using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Json;

namespace Broker.Core.Catalog;

/// <summary>
/// Detects configuration files that break while the broker runs. On reload, the configuration system treats a broken or missing file
/// as an empty one, which another file may make look complete; so the files themselves are
/// checked before a reload is accepted.
/// </summary>
public static class ConfigurationFiles
{
    private static readonly JsonDocumentOptions AsTheProviderReads =
        new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>
    /// Call when all sources are added: a file that breaks then no longer throws on an unobserved thread; instead
    /// <see cref="LiveCatalog"/> refuses to start, or to reload, and names the file.
    /// </summary>
    public static void LeaveBrokenFilesToTheCatalog(this IConfigurationBuilder builder)
    {
        foreach (var source in builder.Sources.OfType<FileConfigurationSource>())
            source.OnLoadException = context => context.Ignore = true;
    }

    /// <summary>Every JSON file that is currently not valid JSON, and every required one that is missing.</summary>
    public static IReadOnlyList<CatalogError> Broken(IConfiguration configuration)
    {
        if (configuration is not IConfigurationRoot root) return [];
        var errors = new List<CatalogError>();
        foreach (var source in root.Providers.OfType<JsonConfigurationProvider>().Select(provider => provider.Source))
        {
            var file = source.FileProvider?.GetFileInfo(source.Path ?? "");
            if (file is not { Exists: true })
            {
                if (!source.Optional)
                    errors.Add(new CatalogError(source.Path ?? "", "is gone.", "Restore the file; until then, its previous content stays in force."));
                continue;
            }

            try
            {
                using var stream = file.CreateReadStream();
                using var document = JsonDocument.Parse(stream, AsTheProviderReads);
            }
            catch (JsonException error)
            {
                errors.Add(new CatalogError(source.Path!, $"is not JSON (line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}).",
                    "Correct the file; until then, its previous content stays in force."));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                errors.Add(new CatalogError(source.Path!, $"cannot be read ({error.GetType().Name}).", "Give the broker's user the right to read it."));
            }
        }

        return errors;
    }
}
