using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Identity;

/// <summary>Names the leases that may be shared with each other: <c>role</c>, <c>role|workload</c> or <c>role|holder</c>.</summary>
/// <param name="Key">The whole name, as the ledger knows it.</param>
public readonly record struct Pool(string Key)
{
    private const char Separator = '|';

    /// <summary>The role that it belongs to; role names contain no separator.</summary>
    public string Role => Key.IndexOf(Separator) is var at and >= 0 ? Key[..at] : Key;

    /// <summary>The one pool of a role that all its callers share.</summary>
    public static Pool Shared(Role role) => new(role.Name);

    /// <summary>The pool that a caller's holder of a role draws from.</summary>
    public static Pool For(Role role, Caller caller, HolderId holder) => For(role, role.Sharing, caller, holder);

    /// <summary>Every pool that this caller's holder of a role may have drawn from, under any sharing scope.</summary>
    public static IEnumerable<Pool> OfAnyScope(Role role, Caller caller, HolderId holder) => Enum.GetValues<SharingScope>().Select(scope => For(role, scope, caller, holder));

    private static Pool For(Role role, SharingScope scope, Caller caller, HolderId holder) => scope switch
    {
        SharingScope.Role => Shared(role),
        SharingScope.Workload => new Pool($"{role.Name}{Separator}{caller.WorkloadHash}"),
        SharingScope.Holder => new Pool($"{role.Name}{Separator}{holder.Local}"),
        _ => throw new InvalidOperationException($"Sharing scope {scope} has no pool."),
    };

    /// <inheritdoc/>
    public override string ToString() => Key;
}
