using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>
/// The shared state of all replicas, by subject. Each method of its parts is one decision, taken atomically in the store and by
/// the store's clock (law L9). All throw <see cref="LedgerException"/> when the store does not answer.
/// </summary>
public sealed class SharedLedger(ILedgerStore store)
{
    /// <summary>The place of records that belong to issuers and to no database; no database can have this name.</summary>
    public const string Issuers = "~issuers";

    /// <summary>
    /// The version of the records that this program writes. Two versions of the broker may use one ledger while one replaces
    /// the other as long as this number stays the same; a broker that finds a higher number does not touch the ledger: every decision fails. It is also in
    /// <c>base.lua</c>.
    /// </summary>
    public const int Schema = 2;

    private readonly SeenMarks seen = new();

    /// <summary>How long a holder that moves may have the connections of both leases open.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromSeconds(60);

    private LedgerClient Client => field ??= new(store, NewLeaseId(), Address);

    /// <summary>Where a database's records are, by its name (<see cref="LedgerKeys"/>); null: each is on a server of its own.</summary>
    internal Func<string, CancellationToken, ValueTask<string>>? Address { get; init; }

    /// <summary>Where a database's records were when they were last located; null: they never were.</summary>
    internal string? AddressOf(string database) => Client.Address(database);

    /// <summary>Names new leases; a simulation names them from its seed.</summary>
    internal Func<string> NewLeaseId { get; init; } = static () => Guid.NewGuid().ToString("N")[..20];

    /// <summary>Makes the mark of this ledger's users, if it has none yet.</summary>
    internal Func<string> NewMark { get; init; } = BrokerMark.New;

    /// <summary>Marks of brokers that are gone, whose users are now this one's.</summary>
    internal IReadOnlyList<string> FormerMarks { get; init; } = [];

    /// <summary>The mark that tells this ledger's users from those of another on the same server.</summary>
    internal MarkLedger Marks => field ??= new(Texts, NewMark, FormerMarks);

    /// <summary>Claims on connections and leases.</summary>
    public ClaimLedger Claims => field ??= new(Client, NewLeaseId, seen);

    /// <summary>The holders of connections.</summary>
    public HolderLedger Holders => field ??= new(Client, seen);

    /// <summary>The making of leases.</summary>
    public IssueLedger Issues => field ??= new(Client, NewLeaseId);

    /// <summary>Leases from their first holder to their end.</summary>
    public LeaseLedger Leases => field ??= new(Client);

    /// <summary>Counts, budgets and lines of a database's connections.</summary>
    public BudgetLedger Budgets => field ??= new(Client);

    /// <summary>The caps that the databases themselves enforce on users.</summary>
    public CapLedger Caps => field ??= new(Client);

    /// <summary>Leftovers: users that no lease knows.</summary>
    public LeftoverLedger Leftovers => field ??= new(Client);

    /// <summary>Work that is due at a time.</summary>
    public DutyLedger Duties => field ??= new(Client);

    /// <summary>The places for calls that change users.</summary>
    public FlightLedger Flights => field ??= new(Client);

    /// <summary>Texts that belong to no database.</summary>
    public TextLedger Texts => field ??= new(Client);

    /// <summary>Hears signals about a database; see <see cref="ILedgerStore.Listen"/>.</summary>
    public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);
}
