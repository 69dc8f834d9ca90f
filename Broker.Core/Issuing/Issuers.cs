using System.Collections.Concurrent;
using Broker.Core.Catalog;

namespace Broker.Core.Issuing;

/// <summary>
/// The catalog's issuers, created at first use and recreated when their definition changes. Issuers whose definition is
/// gone are disposed of when nobody can be using them any more.
/// </summary>
/// <param name="make">Makes an issuer from its definition.</param>
/// <param name="time">The clock.</param>
public sealed class Issuers(Func<IssuerDefinition, IIssuer> make, TimeProvider? time = null) : IDisposable
{
    /// <summary>Longer than any call to an issuer takes.</summary>
    public static readonly TimeSpan UsedAtMost = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<IssuerDefinition, Lazy<IIssuer>> made = new();
    private readonly ConcurrentDictionary<ITimer, IDisposable> leaving = new();

    /// <summary>How many there are, without those about to be disposed of.</summary>
    public int Count => made.Count;

    /// <summary>The issuer of a definition.</summary>
    public IIssuer this[IssuerDefinition definition] => made.GetOrAdd(definition, key => new(() => make(key))).Value;

    /// <summary>Replaces the definitions.</summary>
    public void Keep(IEnumerable<IssuerDefinition> definitions)
    {
        var known = definitions.ToHashSet();
        foreach (var definition in made.Keys.Where(definition => !known.Contains(definition)))
        {
            if (made.TryRemove(definition, out var gone) && gone is { IsValueCreated: true, Value: IDisposable issuer }) LeaveLater(issuer);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (timer, issuer) in leaving)
        {
            timer.Dispose();
            issuer.Dispose();
        }

        foreach (var issuer in made.Values.Where(issuer => issuer.IsValueCreated)) (issuer.Value as IDisposable)?.Dispose();
    }

    private void LeaveLater(IDisposable issuer)
    {
        ITimer? timer = null;
        timer = (time ?? TimeProvider.System).CreateTimer(
            _ =>
            {
                if (leaving.TryRemove(timer!, out var gone)) gone.Dispose();
                timer!.Dispose();
            },
            null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        leaving[timer] = issuer;
        timer.Change(UsedAtMost, Timeout.InfiniteTimeSpan);
    }
}
