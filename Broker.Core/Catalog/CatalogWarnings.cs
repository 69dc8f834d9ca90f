using System.Net;
using Broker.Core.Catalog.Reading;
using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>Configuration that is valid but hardly intended.</summary>
/// <param name="Path">Where it is, e.g. <c>Broker:Roles:orders:Allow</c>.</param>
/// <param name="Text">What it leads to, and what to do.</param>
public sealed record CatalogWarning(string Path, string Text);

/// <summary>Finds configuration that is valid but has no effect or an unintended one: reported at the start, at each reload and by <c>broker check</c>.</summary>
public static class CatalogWarnings
{
    // Claims that tokens of clusters, pipelines and people really have.
    private static readonly string[] KnownClaims =
    [
        "namespace", "serviceaccount", "pod", "sub", "groups", "roles", "email", "repository", "ref", "environment", "project_path", "preferred_username",
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<CatalogWarning> Of(CatalogSnapshot catalog, BrokerSettings settings) =>
        [.. Claims(catalog), .. TooMuch(catalog), .. OneServer(catalog), .. Endless(catalog, settings), .. Forwarded(settings), .. NotWatched(catalog), .. Outliving(catalog)];

    private static IEnumerable<CatalogWarning> Claims(CatalogSnapshot catalog) =>
        from list in Lists(catalog)
        from claim in list.Rules.SelectMany(static rule => rule.Claims.Keys).Distinct(StringComparer.Ordinal)
        where !KnownClaims.Contains(claim, StringComparer.Ordinal)
        let meant = KnownClaims.FirstOrDefault(known => known.Length > 3 && Spelling.Distance(known, claim) is 1 or 2)
        where meant is not null
        select new CatalogWarning(list.Path, $"asks for a claim '{claim}', which tokens hardly ever have; without it nobody {list.Then}. Do you mean '{meant}'?");

    private static IEnumerable<(string Path, IReadOnlyList<AllowRule> Rules, string Then)> Lists(CatalogSnapshot catalog) =>
    [
        .. catalog.Roles.Values.OrderBy(static role => role.Name, StringComparer.Ordinal).Select(static role => ($"Broker:Roles:{role.Name}:Allow", role.Allow, "gets the role")),
        ("Broker:Identity:Viewers", catalog.Identity.Viewers, "may look"),
        ("Broker:Identity:Operators", catalog.Identity.Operators, "may steer"),
        ("Broker:Identity:Admins", catalog.Identity.Admins, "is an administrator"),
        .. catalog.Identity.Teams.Select(static team => ($"Broker:Identity:Teams:{team.Name}:Members", team.Members, "is in the team")),
    ];

    // A ceiling of 0 deliberately grants nothing to anybody.
    private static IEnumerable<CatalogWarning> TooMuch(CatalogSnapshot catalog) =>
        from role in catalog.Roles.Values.OrderBy(static role => role.Name, StringComparer.Ordinal)
        let database = catalog.Databases[role.Database]
        where database.Budget.Ceiling is not 0 && role.Connections.Min > GuaranteesReading.MostOf(database)
        select new CatalogWarning(
            $"Broker:Roles:{role.Name}:Connections:Min",
            $"is {role.Connections.Min}, but Budget lets database {database.Name} promise only {GuaranteesReading.MostOf(database)} connections in all, so nobody gets the role. Lower Min, or raise the budget's Limit or ceiling.");

    private static IEnumerable<CatalogWarning> OneServer(CatalogSnapshot catalog) =>
        from server in catalog.Databases.Values.GroupBy(static database => (Host: database.Host.ToUpperInvariant(), database.Port))
        where server.Count() > 1
        let names = server.Select(static database => database.Name).Order(StringComparer.Ordinal).ToArray()
        select new CatalogWarning(
            $"Broker:Databases:{names[^1]}",
            $"is on the same server as {string.Join(", ", names[..^1])} ({server.First().Host}:{server.Key.Port}). Each promises its own connections, which the others count as foreign; set Budget:CeilingPercent so that together they stay below 100.");

    private static IEnumerable<CatalogWarning> Endless(CatalogSnapshot catalog, BrokerSettings settings) =>
        from role in catalog.Roles.Values.OrderBy(static role => role.Name, StringComparer.Ordinal)
        where settings.Ledger.Kind == LedgerKind.InProcess && catalog.Issuers[role.Issuer] is BuiltInIssuerDefinition
        let database = catalog.Databases[role.Database]
        where database.Engine is DatabaseEngineKind.MySql or DatabaseEngineKind.MongoDb
        select new CatalogWarning(
            $"Broker:Roles:{role.Name}",
            $"makes users on {database.Engine} that never expire by themselves, and the ledger (InProcess) forgets them when the broker ends: they stay until somebody drops them (GET /api/v1/leftovers). Use Ledger:Kind File, or Redis with persistence.");

    private static IEnumerable<CatalogWarning> Forwarded(BrokerSettings settings) =>
        from proxies in settings.Proxies.Index()
        where IPNetwork.Parse(proxies.Item).IsWide()
        select new CatalogWarning(
            $"Broker:Proxies:{proxies.Index}",
            $"is {proxies.Item}, which is more than proxies need: any client with an address in it, such as a pod, can put any other address into the audit. Name only the proxies, such as 10.0.0.7/32, or a network that nobody else is in.");

    private static IEnumerable<CatalogWarning> NotWatched(CatalogSnapshot catalog) =>
        from issuer in catalog.Identity.Issuers.Values.OrderBy(static issuer => issuer.Name, StringComparer.Ordinal)
        where issuer.Pods is not null
        from role in catalog.Roles.Values.OrderBy(static role => role.Name, StringComparer.Ordinal)
        where role.Allow.Any(rule => rule.Issuer == issuer.Name && !WatchedNamespaces.Of(rule).Any())
        select new CatalogWarning(
            $"Broker:Identity:Issuers:{issuer.Name}:Pods",
            $"does not watch all pods of role '{role.Name}', because a rule of its Allow does not name a whole namespace: holders of pods that die end only at HolderTtl. Name the namespace in the rule, or list several.");

    // Keys alone never tell that a pod is gone, and a client token that is renewed outlives the token that it was given for.
    private static IEnumerable<CatalogWarning> Outliving(CatalogSnapshot catalog) =>
        from mount in catalog.VaultApi.AuthMounts.Values.OrderBy(static mount => mount.Name, StringComparer.Ordinal)
        where catalog.VaultApi.Enabled && catalog.VaultApi.Tokens.MaxTtl == TimeSpan.Zero && mount.Type == AuthMountType.Kubernetes
        where catalog.Identity.Issuers.TryGetValue(mount.Issuer ?? "", out var issuer) && issuer is { TokenReview: null, Pods: null }
        select new CatalogWarning(
            "Broker:VaultApi:Tokens:MaxTtl",
            $"is not set, and identity issuer '{mount.Issuer}' has neither TokenReview nor Pods: whoever has copied a pod's client token from auth/{mount.Name} can renew it without end, also when the pod is gone. Set MaxTtl, or the issuer's Pods or TokenReview.");
}
