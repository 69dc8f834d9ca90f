using System.Collections.Concurrent;
using Broker.Core.Catalog;

namespace Broker.Core.Issuing;

/// <summary>The catalog's issuers, made when they are first needed and made anew when their definition changes.</summary>
/// <param name="make">Makes an issuer from its definition.</param>
public sealed class Issuers(Func<IssuerDefinition, IIssuer> make)
{
    private readonly ConcurrentDictionary<IssuerDefinition, Lazy<IIssuer>> made = new();

    /// <summary>The issuer of a definition.</summary>
    public IIssuer this[IssuerDefinition definition] => made.GetOrAdd(definition, key => new(() => make(key))).Value;
}
