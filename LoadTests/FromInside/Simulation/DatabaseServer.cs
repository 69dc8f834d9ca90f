using Broker.Core.Databases;

namespace LoadTests.FromInside.Simulation;

/// <summary>The model of a database: users, connections, and a limit that it holds to.</summary>
internal sealed class DatabaseServer(Timeline timeline, Actor self, int limit, int reserved)
{
    private readonly SortedDictionary<string, DatabaseLogin> users = new(StringComparer.Ordinal);
    private readonly List<DatabaseLogin> nobodys = [];

    public Wire Wire { get; } = new(timeline, self);

    public int Limit { get; set; } = limit;

    public int Reserved => reserved;

    /// <summary>Connections of others.</summary>
    public int Foreign { get; set; }

    public bool IsDown { get; set; }

    public bool RefusesLogins { get; set; }

    public bool RefusesDrops { get; set; }

    /// <summary>How long a call takes at most, apart from the network.</summary>
    public TimeSpan SlowBy { get; set; }

    /// <summary>How likely it is that the answer to a change is lost.</summary>
    public double LosesAnswers { get; set; }

    public IReadOnlyDictionary<string, DatabaseLogin> Users => users;

    public int OpenByPods => users.Values.Sum(user => user.Open) + nobodys.Sum(user => user.Open);

    /// <summary>Told when a user is dropped, before its connections end.</summary>
    public Action<DatabaseLogin>? Dropping { get; set; }

    public void Create(string name, string password, string pool, TimeSpan? validUntil)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        users.Add(name, new(name, password, pool) { ValidUntil = validUntil });
    }

    /// <summary>Ends a user's connections and lets it log in no more.</summary>
    public bool ShutOut(string name)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        if (!users.TryGetValue(name, out var user)) return false;
        Dropping?.Invoke(user);
        user.End();
        user.IsShut = true;
        return true;
    }

    /// <summary>Drops a user; its connections stay open, and their owner can no longer be told.</summary>
    public bool Drop(string name)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        if (RefusesDrops) throw new DatabaseException(DatabaseFailure.StatementRefused, "the user owns objects");
        if (!users.TryGetValue(name, out var user)) return false;
        if (!user.IsShut) Dropping?.Invoke(user);
        users.Remove(name);
        if (user.Open > 0) nobodys.Add(user);
        return true;
    }

    /// <summary>A user's connections, those too that are left of one that was dropped.</summary>
    public int? CountSessions(string name)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        return users.Values.Concat(nobodys).Where(user => user.Name == name).Sum(user => user.Open);
    }

    /// <summary>Opens a connection, or says why not.</summary>
    public DatabaseFailure? Connect(string name, string password, string? holder)
    {
        if (TryLogin(name, password) is { } failure) return failure;
        if (IsCapped(name)) return DatabaseFailure.OutOfConnections;
        if (OpenByPods + Foreign >= Limit - Reserved) return DatabaseFailure.OutOfConnections;
        users[name].Connect(holder);
        return null;
    }

    /// <summary>Sets how many connections a user may open; null: any number.</summary>
    public bool Cap(string name, int? connections)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        if (!users.TryGetValue(name, out var user)) throw new DatabaseException(DatabaseFailure.StatementRefused, "there is no such user");
        user.Cap = connections;
        return true;
    }

    /// <summary>Whether a user has as many connections open as it may.</summary>
    public bool IsCapped(string name) => users.TryGetValue(name, out var user) && user.Open >= user.Cap;

    /// <summary>The broker's own way in: over the superusers' reserve, so that it never takes a pod's connection.</summary>
    public DatabaseFailure? TryLogin(string name, string password)
    {
        if (IsDown) return DatabaseFailure.Unavailable;
        if (RefusesLogins || !users.TryGetValue(name, out var user) || user.Password != password || user.ValidUntil <= timeline.Now || user.IsShut) return DatabaseFailure.LoginRefused;
        user.HasBeenTried = true;
        return null;
    }

    /// <summary>What is open on the server, and of it in the database that has these roles.</summary>
    public ConnectionSample Sample(IReadOnlySet<string> roles)
    {
        if (IsDown) throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down");
        var seen = users.Values.Where(user => user.Open > 0).Select(user => new UserConnections(user.Name, user.Open, roles.Contains(user.Role) ? user.Open : 0) { Named = new Dictionary<string, int>(user.Named) }).ToList();
        var lost = nobodys.Sum(user => user.Open);
        if (lost > 0) seen.Add(new(null, lost, lost));
        if (Foreign > 0) seen.Add(new("others", Foreign, Foreign));
        return new(Limit, Reserved, null, seen);
    }
}

/// <summary>A user of the model database.</summary>
internal sealed class DatabaseLogin(string name, string password, string role)
{
    public string Name => name;

    public string Password => password;

    public string Role => role;

    public TimeSpan? ValidUntil { get; set; }

    /// <summary>Connections open.</summary>
    public int Open { get; private set; }

    /// <summary>Connections that it may open; null: any number.</summary>
    public int? Cap { get; set; }

    /// <summary>A client has logged in as it at least once.</summary>
    public bool HasBeenTried { get; set; }

    public bool IsShut { get; set; }

    /// <summary>Changes whenever its connections are ended from the server's side.</summary>
    public int Ended { get; private set; }

    /// <summary>The connections that carry their holder's name, by its key.</summary>
    public SortedDictionary<string, int> Named { get; } = new(StringComparer.Ordinal);

    public void Connect(string? holder)
    {
        Open++;
        if (holder is not null) Named[holder] = Named.GetValueOrDefault(holder) + 1;
    }

    public void Close(string? holder)
    {
        Open--;
        if (holder is not null && --Named[holder] == 0) Named.Remove(holder);
    }

    public void End()
    {
        Open = 0;
        Named.Clear();
        Ended++;
    }
}
