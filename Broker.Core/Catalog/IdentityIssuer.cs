namespace Broker.Core.Catalog;

/// <summary>
/// An issuer whose tokens prove a caller, in one of four ways: keys by discovery (<see cref="Authority"/>), at an address
/// (<see cref="JwksUri"/>), or in a file (<see cref="JwksFile"/>), or a cluster that is asked about each token (<see cref="TokenReview"/>).
/// </summary>
public sealed record IdentityIssuer
{
    /// <summary>Its key under <c>Broker:Identity:Issuers</c>.</summary>
    public required string Name { get; init; }

    /// <summary>OIDC authority: keys are found by discovery.</summary>
    public Uri? Authority { get; init; }

    /// <summary>The <c>iss</c> a token must have; with an authority, default: what its discovery document says.</summary>
    public string? Issuer { get; init; }

    /// <summary>
    /// Earlier values of <c>iss</c>, which some tokens still have: a cluster that changes its issuer's name accepts both for a
    /// while (<c>--service-account-issuer</c> given twice), and so does the broker. Their holders stay the same.
    /// </summary>
    public IReadOnlyList<string> FormerIssuers { get; init; } = [];

    /// <summary>Whether a token's <c>iss</c> is the issuer's own.</summary>
    /// <param name="stated">The name that its configuration or its discovery document states now; null: not known.</param>
    /// <param name="iss">The token's.</param>
    internal bool IsCalled(string? stated, string iss) => iss == stated || FormerIssuers.Contains(iss, StringComparer.Ordinal);

    /// <summary>
    /// The issuer's name in holders' ids; null: its own name. Entries of the same cluster under two names share it, so that a
    /// pod is one holder whichever of them proves it. Entries that share it must trust each other.
    /// </summary>
    public string? Cluster { get; init; }

    /// <summary>Address of the JSON Web Key Set, where there is no discovery document or it names one that cannot be reached.</summary>
    public Uri? JwksUri { get; init; }

    /// <summary>
    /// How long keys are trusted without confirmation by their server (1 min to 24 h, default 1 min). They are fetched
    /// twice a minute; a key that the server no longer lists is no longer trusted. With more than a minute, callers can be proven while the server is away,
    /// but so can somebody with a stolen key that was withdrawn in the meantime.
    /// </summary>
    public TimeSpan KeysGoodFor { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>File with the JSON Web Key Set; read again when it changes.</summary>
    public string? JwksFile { get; init; }

    /// <summary>A Kubernetes API server that is asked about each token; null when the broker verifies tokens itself, by keys.</summary>
    public TokenReviewSettings? TokenReview { get; init; }

    /// <summary>
    /// The Kubernetes API server that says which pods are gone, so that their holders end with them; null: holders end when they
    /// are not renewed. Only namespaces that roles name are watched.
    /// </summary>
    public PodWatchSettings? Pods { get; init; }

    /// <summary>The <c>aud</c> a token must have.</summary>
    public required string Audience { get; init; }

    /// <summary>PEM file of the authority that signed the OIDC server's certificate; null: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>File with a bearer token that the OIDC server wants for discovery (Kubernetes API servers often do); null: none.</summary>
    public string? BearerTokenFile { get; init; }

    /// <summary>Signature algorithms accepted (default RS256, ES256, PS256); never <c>none</c>, never symmetric ones.</summary>
    public IReadOnlyList<string> Algorithms { get; init; } = ["RS256", "ES256", "PS256"];

    /// <summary>The tolerated difference to the issuer's clock (0 to 5 min, default 30 s).</summary>
    public TimeSpan ClockSkew { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether its tokens may be exchanged for sessions that outlive them (default false): for pipelines.</summary>
    public bool Sessions { get; init; }

    /// <summary>
    /// The SPIFFE id of the client certificate that a caller must present besides its token, with claims of the token in braces:
    /// <c>spiffe://example.org/ns/{namespace}/sa/{serviceaccount}</c>; null: none. Needs <see cref="TlsSettings.ClientAuthorityFile"/>.
    /// </summary>
    public string? SpiffeId { get; init; }
}

/// <summary>A Kubernetes API server that is asked about tokens (TokenReview).</summary>
public sealed record TokenReviewSettings
{
    private const string Mounted = "/var/run/secrets/kubernetes.io/serviceaccount/";

    /// <summary>The API server (default <c>https://kubernetes.default.svc</c>, the cluster the broker runs in).</summary>
    public Uri Address { get; init; } = new("https://kubernetes.default.svc");

    /// <summary>PEM file of the authority that signed its certificate (default: the one mounted into every pod).</summary>
    public string CaFile { get; init; } = Mounted + "ca.crt";

    /// <summary>The broker's own token there, read again as it changes (default: the mounted one); it needs <c>system:auth-delegator</c>.</summary>
    public string TokenFile { get; init; } = Mounted + "token";

    /// <summary>How long an answer is trusted (1 s to 1 min, default 5 s): a deleted pod's token works for this much longer.</summary>
    public TimeSpan RememberFor { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>A Kubernetes API server that is asked which pods exist.</summary>
public sealed record PodWatchSettings
{
    /// <summary>The API server (default <c>https://kubernetes.default.svc</c>, the cluster the broker runs in).</summary>
    public Uri Address { get; init; } = new TokenReviewSettings().Address;

    /// <summary>PEM file of the authority that signed its certificate (default: the one mounted into every pod).</summary>
    public string CaFile { get; init; } = new TokenReviewSettings().CaFile;

    /// <summary>
    /// The broker's own token there, read again as it changes (default: the mounted one); its account may get, list and watch pods in
    /// the namespaces that roles name.
    /// </summary>
    public string TokenFile { get; init; } = new TokenReviewSettings().TokenFile;
}

/// <summary>The settings of callers, viewers, operators and admins.</summary>
/// <param name="Issuers">The issuers whose tokens are trusted.</param>
/// <param name="Viewers">Who may see budgets, leases, the page and the metrics.</param>
/// <param name="Operators">Who may also revoke, rotate, end holders and change ceilings.</param>
public sealed record IdentitySettings(
    IReadOnlyDictionary<string, IdentityIssuer> Issuers,
    IReadOnlyList<AllowRule> Viewers,
    IReadOnlyList<AllowRule> Operators)
{
    /// <summary>Who may do all that, and also ask why a caller may or may not have a role.</summary>
    public IReadOnlyList<AllowRule> Admins { get; init; } = [];

    /// <summary>The sessions that pipelines get for their tokens.</summary>
    public SessionSettings Sessions { get; init; } = new();

    /// <summary>What any one caller may take.</summary>
    public ShareLimits Callers { get; init; } = new();

    /// <summary>What several callers may take together, by team; a caller is in the first team whose members it matches.</summary>
    public IReadOnlyList<Team> Teams { get; init; } = [];
}

/// <summary>How long sessions live.</summary>
public sealed record SessionSettings
{
    /// <summary>How long a session lives that is not renewed (1 min to <see cref="MaxLifetime"/>, default 1 h).</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The longest lifetime of a session, however often it is renewed (1 min to 7 days, default 6 h, GitHub's longest job).</summary>
    public TimeSpan MaxLifetime { get; init; } = TimeSpan.FromHours(6);

    /// <summary>Sessions at once (1 to 1,000,000, default 10,000).</summary>
    public int Most { get; init; } = 10_000;
}

/// <summary>A group of callers that share limits.</summary>
/// <param name="Name">Its key under <c>Broker:Identity:Teams</c>.</param>
/// <param name="Members">Who is in it.</param>
/// <param name="Limits">What they may take together.</param>
public sealed record Team(string Name, IReadOnlyList<AllowRule> Members, ShareLimits Limits)
{
    /// <summary>The terms on which it shares databases with others; null: its members' holders count towards their roles.</summary>
    public TeamDivision? Division { get; init; }
}

/// <summary>The terms on which a team shares databases with roles and other teams.</summary>
/// <param name="Weight">Its weight relative to others (1 to 1000, default 1): of two that want more than there is, one with weight 2 gets twice as much as one with weight 1.</param>
/// <param name="Priority">Parties with a higher priority (0 to 9, default 0) are served first and go down last.</param>
/// <param name="Guaranteed">By database: connections that are kept free for it while it does not have them.</param>
public sealed record TeamDivision(int Weight, int Priority, IReadOnlyDictionary<string, int> Guaranteed);

/// <summary>Limits on a caller or a team, so that nobody starves the rest. 0: no limit.</summary>
public sealed record ShareLimits
{
    /// <summary>Claims and renewals a second, sustained, at each replica (0 to 1,000,000, default 0).</summary>
    public double ClaimsPerSecond { get; init; }

    /// <summary>Claims at once after a pause (1 to 1,000,000, default: two seconds' worth, at least 1).</summary>
    public int Burst { get; init; } = 1;

    /// <summary>Holders at once, over all replicas and databases (0 to 1,000,000, default 0).</summary>
    public int Holders { get; init; }

    /// <summary>Connections at once, over all replicas and databases (0 to 1,000,000, default 0).</summary>
    public int Connections { get; init; }

    /// <summary>Whether holders or connections are limited, so that the ledger has to count them.</summary>
    public bool AreCounted => Holders > 0 || Connections > 0;
}
