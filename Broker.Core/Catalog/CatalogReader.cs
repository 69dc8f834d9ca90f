using System.Collections.Frozen;
using Broker.Core.Catalog.Reading;
using Microsoft.Extensions.Configuration;

namespace Broker.Core.Catalog;

/// <summary>Reads the section <c>Broker</c> and validates it as a whole.</summary>
public static class CatalogReader
{
    /// <summary>The section that is read.</summary>
    public const string Section = "Broker";

    /// <summary>Everything that is configured, or every mistake in it; never throws because of its content.</summary>
    public static CatalogReading Read(IConfiguration configuration)
    {
        var findings = new Findings([], []);
        var reader = new SectionReader(configuration.GetSection(Section), Section, findings);

        var settings = SettingsReading.Read(reader);
        var identity = IdentityReading.Read(reader.Child("Identity"));
        settings = settings with { Page = PageReading.Read(reader.Child("Page"), identity.Issuers), Admission = AdmissionReading.Read(reader.Child("Admission")) };
        var issuers = new Dictionary<string, IssuerDefinition?>(StringComparer.Ordinal);
        foreach (var (name, entry) in reader.Named("Issuers")) issuers[name] = IssuerReading.Read(name, entry);
        var databases = new Dictionary<string, Database>(StringComparer.Ordinal);
        foreach (var (name, entry) in reader.Named("Databases")) databases[name] = DatabaseReading.Read(name, entry);
        var roles = new Dictionary<string, Role>(StringComparer.Ordinal);
        var appRoleMounts = VaultApiReading.AppRoleMounts(configuration.GetSection(Section));
        foreach (var (name, entry) in reader.Named("Roles"))
            roles[name] = RoleReading.Read(name, entry, databases, issuers, (IReadOnlyCollection<string>)[.. identity.Issuers.Keys, .. appRoleMounts]);
        StaticReading.CheckTogether(roles.Values, reader);
        PoolerReading.CheckTogether(databases, roles.Values, reader);
        GuaranteesReading.Check(reader, databases, roles, identity.Teams);
        var vaultApi = VaultApiReading.Read(reader.Child("VaultApi"), identity, roles);

        // A missing mounted file looks just like this; starting and refusing every pod would hide it.
        if (databases.Count == 0) reader.Error("Databases", "is empty.", "Name at least one database; is the configuration file mounted?");
        if (roles.Count == 0) reader.Error("Roles", "is empty.", "Name at least one role; is the configuration file mounted?");
        if (settings.Tls?.ClientAuthorityFile is null)
        {
            foreach (var issuer in identity.Issuers.Values.Where(issuer => issuer.SpiffeId is not null))
                reader.Error($"Identity:Issuers:{issuer.Name}:SpiffeId", "is set, but no client certificate is trusted.", "Set Tls:ClientAuthorityFile too.");
        }

        reader.RefuseUnknownKeys();

        if (findings.Errors.Count > 0) return new CatalogReading(null, null, findings.Errors, findings.Files);
        var catalog = new CatalogSnapshot(
            databases.ToFrozenDictionary(StringComparer.Ordinal),
            issuers.ToFrozenDictionary(issuer => issuer.Key, issuer => issuer.Value!, StringComparer.Ordinal),
            roles.ToFrozenDictionary(StringComparer.Ordinal),
            identity)
        {
            VaultApi = vaultApi,
        };
        return new CatalogReading(catalog, settings, [], findings.Files);
    }
}
