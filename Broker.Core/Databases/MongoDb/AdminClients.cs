using Broker.Core.Catalog;
using Broker.Core.Model;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// The broker's own connections, few at a time because they too count against the server's limit: a client per administrator
/// connection string and state of its TLS files. A client follows its replica set, so it finds a new primary by itself. One that no database uses any more
/// is disposed after a while, when the commands that it may be running are over.
/// </summary>
internal sealed class AdminClients(TimeProvider clock) : IDisposable
{
    private const int PoolSize = 4;
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan IdleFor = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Lazy<MongoClient>> clients = new(StringComparer.Ordinal);
    // By database, and apart for its replica: the key of its client, and when it was last asked for.
    private readonly Dictionary<(string Database, bool IsReplica), (string Key, Moment At)> used = [];
    private readonly Dictionary<MongoClient, ITimer> retired = [];

    /// <summary>How long finding a server, and connecting, may take.</summary>
    public static TimeSpan ConnectWithin { get; } = TimeSpan.FromSeconds(5);

    // A command finds a server, connects to it, and is answered; and a moment more.
    private static TimeSpan OverWithin => ConnectWithin + ConnectWithin + AnswersWithin + TimeSpan.FromSeconds(5);

    /// <summary>Runs a command and returns the server's reply.</summary>
    /// <param name="database">The database.</param>
    /// <param name="on">The database of the server to run it on, e.g. <c>admin</c>.</param>
    /// <param name="command">The command's document.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server refuses or is not there.</exception>
    public Task<BsonDocument> RunAsync(Database database, string on, BsonDocument command, CancellationToken cancellation) =>
        RunAsync(database, on, command, static reply => reply, cancellation);

    /// <summary>
    /// Runs a command and reads the server's reply, which may have an element twice or with another type, as from servers that only speak the
    /// protocol.
    /// </summary>
    /// <exception cref="DatabaseException">The server refuses or is not there, or the reply could not be read.</exception>
    public async Task<T> RunAsync<T>(Database database, string on, BsonDocument command, Func<BsonDocument, T> read, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            using var reply = await ClientOf(database).GetDatabase(on).RunCommandAsync<RawBsonDocument>(command, ReadPreference.Primary, cancellation);
            return read(Materialised(reply));
        }
        catch (Exception exception) when (MongoFailure.Covers(exception, cancellation))
        {
            throw MongoFailure.OfCommand(database, exception);
        }
    }

    /// <summary>
    /// Runs a command that changes users. A primary has answered just before, so a connection that breaks now broke with the
    /// command on its way: its answer is lost.
    /// </summary>
    /// <exception cref="DatabaseException">The server refuses, is not there, or its answer was lost.</exception>
    public async Task<BsonDocument> ChangeAsync(Database database, string on, BsonDocument command, CancellationToken cancellation)
    {
        await RunAsync(database, on, new BsonDocument("ping", 1), cancellation);
        try
        {
            using var reply = await ClientOf(database).GetDatabase(on).RunCommandAsync<RawBsonDocument>(command, ReadPreference.Primary, CancellationToken.None);
            return Materialised(reply);
        }
        catch (Exception exception) when (MongoFailure.Covers(exception, CancellationToken.None))
        {
            throw MongoFailure.OfChange(database, exception);
        }
    }

    /// <summary>The broker's user on the server; null when the server does not say.</summary>
    public Task<string?> OwnNameAsync(Database database, CancellationToken cancellation) =>
        RunAsync(
            database,
            "admin",
            new BsonDocument("connectionStatus", 1),
            static status => status.GetValue("authInfo", BsonNull.Value) is BsonDocument info
                && info.GetValue("authenticatedUsers", BsonNull.Value) is BsonArray { Count: > 0 } users
                ? users[0].AsBsonDocument.GetValue("user", BsonNull.Value).ToString()
                : null,
            cancellation);

    /// <summary>The administrator connection string, parsed.</summary>
    /// <exception cref="DatabaseException">It cannot be understood.</exception>
    public static MongoUrl Settings(Database database)
    {
        try
        {
            return new MongoUrl(database.AdminConnectionString.Reveal());
        }
        catch (Exception exception) when (exception is MongoException or ArgumentException or FormatException)
        {
            throw MongoFailure.OfConnectionString(database);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            foreach (var client in clients.Values.Where(client => client.IsValueCreated)) client.Value.Dispose();
            foreach (var (client, timer) in retired)
            {
                timer.Dispose();
                client.Dispose();
            }

            clients.Clear();
            retired.Clear();
        }
    }

    // Of several elements with the same name the first counts.
    private static BsonDocument Materialised(RawBsonDocument reply)
    {
        var document = new BsonDocument();
        foreach (var element in reply.Elements)
        {
            if (!document.Contains(element.Name)) document.Add(element.Name, element.Value is RawBsonDocument or RawBsonArray ? Copied(element.Value) : element.Value);
        }

        return document;
    }

    private static BsonValue Copied(BsonValue value) => value switch
    {
        RawBsonDocument document => Materialised(document),
        RawBsonArray array => new BsonArray(array.Select(Copied)),
        _ => value,
    };

    /// <summary>The database's client.</summary>
    /// <exception cref="DatabaseException">The connection string, or a file that it names, cannot be used.</exception>
    internal MongoClient ClientOf(Database database)
    {
        var options = UriOptions.Of(database);
        // A certificate that was renewed, or is there at last, makes another client.
        var key = $"{database.AdminConnectionString.Reveal()} {TlsFiles.StateOf(options)}";
        var client = Used((database.Name, database.AdminConnectionString.Equals(database.ReplicaConnectionString)), key, () => Create(database, options));
        try
        {
            return client.Value;
        }
        catch
        {
            // It keeps what it threw: the next call tries again.
            lock (gate)
            {
                if (clients.TryGetValue(key, out var there) && there == client) clients.Remove(key);
            }

            throw;
        }
    }

    private Lazy<MongoClient> Used((string Database, bool IsReplica) by, string key, Func<MongoClient> create)
    {
        lock (gate)
        {
            var now = Moment.Now(clock);
            var before = used.GetValueOrDefault(by).Key;
            used[by] = (key, now);
            if (before != key) RetireUnused(before);

            // A database that is no longer configured asks no more.
            foreach (var (of, idle) in used.Where(entry => entry.Value.At.Age(clock) > IdleFor).ToList())
            {
                used.Remove(of);
                RetireUnused(idle.Key);
            }

            if (clients.TryGetValue(key, out var there)) return there;
            return clients[key] = new(create);
        }
    }

    private void RetireUnused(string? key)
    {
        if (key is not null && used.Values.All(other => other.Key != key) && clients.Remove(key, out var replaced) && replaced.IsValueCreated) Retire(replaced.Value);
    }

    private void Retire(MongoClient client) => retired[client] = clock.CreateTimer(
        _ =>
        {
            lock (gate)
            {
                if (!retired.Remove(client, out var timer)) return;
                timer.Dispose();
            }

            client.Dispose();
        },
        null, OverWithin, Timeout.InfiniteTimeSpan);

    private static MongoClient Create(Database database, UriOptions options)
    {
        var settings = MongoClientSettings.FromUrl(Settings(database));
        TlsFiles.Apply(database, settings, options);
        settings.ApplicationName = OwnConnections.ProgramName;
        settings.MinConnectionPoolSize = 0;
        settings.MaxConnectionPoolSize = PoolSize;
        settings.MaxConnectionIdleTime = TimeSpan.FromSeconds(30);
        settings.ServerSelectionTimeout = ConnectWithin;
        settings.ConnectTimeout = ConnectWithin;
        settings.SocketTimeout = AnswersWithin;
        // The driver shares connections among clients of equal settings, and disposing one closes those of all: this makes them unequal.
        var own = new object();
        settings.ClusterConfigurator = _ => GC.KeepAlive(own);
        return new MongoClient(settings);
    }
}
