using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Sealing;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging.Abstractions;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What only operators decide, whatever a hostile writer puts into Redis (law L14): the keys with which admin tokens, sessions and logins are sealed, and how
/// high a ceiling is. Kept by a process of its own, which reads back what it wrote.
/// </summary>
internal sealed class Rights
{
    private const int MostKeys = 6;

    /// <summary>The beginning of the field that holds a ceiling.</summary>
    public const string CeilingPrefix = "shared:ceiling:";

    private static readonly Database[] Databases = [DatabaseOf("small", 10), DatabaseOf("large", 200)];

    private readonly World world;
    private readonly Random random;
    private readonly Ceilings ceilings;
    private readonly KeyspaceRing ring;
    private readonly HashSet<string> keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> highest = Databases.ToDictionary(database => database.Name, database => database.Budget.Ceiling!.Value);

    public Rights(World world, Random random, LedgerLink link, LedgerSeal seal)
    {
        (this.world, this.random) = (world, random);
        ceilings = new(new(link) { NewLeaseId = static () => "keeper" }, seal);
        ring = new(world.Ledger, Encoding.UTF8.GetBytes("made of the certificate's private key"));
    }

    /// <summary>An operator sets a ceiling now and then, a broker makes a key, and what is in force is looked at.</summary>
    public async Task KeepAsync()
    {
        if (keys.Count < MostKeys && random.Next(3) == 0 && !world.Ledger.IsFull) AddKey();
        foreach (var element in ring.GetAllElements())
        {
            if (!keys.Contains(element.ToString(SaveOptions.DisableFormatting))) Break($"a sealing key is believed that no broker made: {element}");
        }

        var database = Databases[random.Next(Databases.Length)];
        if (random.Next(4) == 0)
        {
            var set = database.Budget.Ceiling!.Value / 2 + random.Next(database.Budget.Ceiling.Value);
            highest[database.Name] = Math.Max(highest[database.Name], set);
            await ceilings.SetAsync(database.Name, random.Next(4) == 0 ? null : new(set, "", "", null), CancellationToken.None);
        }

        foreach (var of in Databases)
        {
            var inForce = (await ceilings.InForceAsync(of, CancellationToken.None)).Budget.Ceiling;
            if (!(inForce <= highest[of.Name])) Break($"the ceiling of {of.Name} is {inForce}; the highest that an operator set or configured is {highest[of.Name]}");
        }
    }

    private void AddKey()
    {
        var element = new XElement("key", new XAttribute("id", $"key{keys.Count}"), random.Next().ToString(CultureInfo.InvariantCulture));
        keys.Add(element.ToString(SaveOptions.DisableFormatting));
        ring.StoreElement(element, "");
    }

    private void Break(string what) => world.Laws.Break("L14", what);

    private static Database DatabaseOf(string name, int ceiling) => new()
    {
        Name = name,
        Engine = DatabaseEngineKind.PostgreSql,
        Host = name,
        Port = 5432,
        DatabaseName = name,
        AdminConnectionString = new("none"),
        Budget = new() { Ceiling = ceiling },
        Issuing = new(),
    };
}

/// <summary>The sealing keys among all else that the simulated Redis has. Whoever writes there has no part of <paramref name="code"/>.</summary>
internal sealed class KeyspaceRing(LedgerServer server, byte[] code) : CodedKeyRing("Redis", server.ForgesCodes ? ForgersCode : code, NullLogger.Instance, settling: TimeSpan.Zero, TimeProvider.System)
{
    /// <summary>Where they stand.</summary>
    public const string Key = "broker:sealing-keys";

    private static readonly byte[] ForgersCode = "made of the certificate that everybody may read"u8.ToArray();

    private int stored;

    /// <summary>A key of somebody's own, with a code that he can make, one that he took from another key, or none.</summary>
    public static string Forge(Random random, IEnumerable<string> there)
    {
        var xml = $"<key id=\"forged\">{random.Next().ToString(CultureInfo.InvariantCulture)}</key>";
        return random.Next(3) switch
        {
            0 => xml,
            1 when there.FirstOrDefault() is { } other => other.Split('|')[0] + "|" + xml,
            _ => System.Buffers.Text.Base64Url.EncodeToString(HMACSHA256.HashData(ForgersCode, Encoding.UTF8.GetBytes(xml))) + "|" + xml,
        };
    }

    protected override IEnumerable<string> Read() => server.Keys.HashAt(Key).Values;

    protected override void Append(string text) => server.Keys.Execute(["HSET", Key, $"key{stored++}", text]);
}
