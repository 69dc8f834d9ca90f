using System.Net;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Limits;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>
/// The group of records in which one client's tokens and wrapped answers are counted: beyond its limit the oldest goes. A pod is one client. A name
/// without a pod (an AppRole, a pipeline, a service account of an operator) may belong to many clients that know nothing of each other: there each secret id
/// and each address has a group of its own, so that a looping client, or the thief of a secret id, displaces nobody elsewhere.
/// </summary>
internal static class OwnersGroup
{
    // No bar and no comma, which separate fields in the ledger.
    private const int Length = 22;

    /// <summary>
    /// The groups of a client's token: where one name may belong to many clients, all of them have a group together besides, so that nobody fills the ledger from
    /// ever new addresses.
    /// </summary>
    public static IReadOnlyList<string> AllOf(Caller caller, string? secretId, Origin origin) =>
        caller.PodUid is null ? [Of(caller, secretId, origin), WorkloadOf(caller)] : [Of(caller, secretId, origin)];

    /// <summary>The group of all clients of one name, pods of one service account among them.</summary>
    public static string WorkloadOf(Caller caller) => RecordLedger.Wide + caller.WorkloadHash;

    public static string Of(Caller caller, string? secretId, Origin origin) => Fingerprint.Of("client", Length, caller.OwnerHash, secretId, caller.PodUid is null ? AddressOf(origin) : null);

    private static string AddressOf(Origin origin) => AddressName.Of(IPAddress.TryParse(origin.Address, out var address) ? address : null);
}
