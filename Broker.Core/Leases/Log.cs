using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>Events 1000-1099: the life of a lease, in order.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Issued lease {Lease} of role {Role}: user {Username}, for {Duration}.")]
    public static partial void Issued(this ILogger log, string lease, string role, string username, TimeSpan duration);

    [LoggerMessage(1001, LogLevel.Warning, "The issuer warned about lease {Lease} of role {Role}: {Warning}")]
    public static partial void IssueWarned(this ILogger log, string lease, string role, string warning);

    [LoggerMessage(1002, LogLevel.Error, "Issuing lease {Lease} of role {Role} failed, {Code}: {Why}")]
    public static partial void IssueFailed(this ILogger log, string lease, string role, RefusalCode code, string why);

    [LoggerMessage(1003, LogLevel.Warning, "Issuing lease {Lease} of role {Role} was taken over by another attempt; the user that this one made is revoked.")]
    public static partial void IssueOvertaken(this ILogger log, string lease, string role);

    [LoggerMessage(1004, LogLevel.Error, "Issuing lease {Lease} of role {Role}: the ledger did not answer. {Why}")]
    public static partial void IssueLedgerLost(this ILogger log, string lease, string role, string why);

    [LoggerMessage(1005, LogLevel.Critical, "Issuing lease {Lease} of role {Role} failed because of a fault in the broker.")]
    public static partial void IssueBroke(this ILogger log, string lease, string role, Exception e);

    [LoggerMessage(1006, LogLevel.Warning, "Lease {Lease}: the ledger could not be told that it is still being issued. {Why}")]
    public static partial void BeatFailed(this ILogger log, string lease, string why);

    [LoggerMessage(1007, LogLevel.Error, "'{Id}', made by an overtaken attempt at lease {Lease} of role {Role}, could not be revoked at once: {Why}")]
    public static partial void OvertakenNotRevoked(this ILogger log, string lease, string role, string id, string why);

    [LoggerMessage(1010, LogLevel.Information, "Renewed lease {Lease} of role {Role} for {Duration}.")]
    public static partial void Renewed(this ILogger log, string lease, string role, TimeSpan duration);

    [LoggerMessage(1011, LogLevel.Warning, "Renewing lease {Lease} of role {Role} failed; the broker tries again: {Why}")]
    public static partial void RenewFailed(this ILogger log, string lease, string role, string why);

    [LoggerMessage(1012, LogLevel.Error, "The login of lease {Lease} of role {Role}, user {Username}, no longer works; another lease replaces it: {Why}")]
    public static partial void LoginGone(this ILogger log, string lease, string role, string username, string why);

    [LoggerMessage(1020, LogLevel.Information, "Lease {Lease} of role {Role} is {State}: {Why}")]
    public static partial void Moved(this ILogger log, string lease, string role, LeaseState state, string why);

    [LoggerMessage(1021, LogLevel.Information, "Revoked lease {Lease} of role {Role}: user {Username} is gone.")]
    public static partial void Revoked(this ILogger log, string lease, string role, string username);

    [LoggerMessage(1022, LogLevel.Error, "Revoking lease {Lease} of role {Role}, user {Username}, failed; the broker tries again: {Why}")]
    public static partial void RevokeFailed(this ILogger log, string lease, string role, string username, string why);

    [LoggerMessage(1023, LogLevel.Error, "Lease {Lease} of role {Role}: the sessions of user {Username} could not be ended, and the user is dropped anyway: {Why}")]
    public static partial void SessionsNotEnded(this ILogger log, string lease, string role, string username, string why);

    [LoggerMessage(1024, LogLevel.Warning, "Lease {Lease} of role {Role}: the broker cannot look for what its lost attempt made, because the issuer does not let it list leases: {Why}")]
    public static partial void CannotList(this ILogger log, string lease, string role, string why);

    [LoggerMessage(1025, LogLevel.Warning, "Lease {Lease} of role {Role}: what its lost attempt made was found and revoked: {Id}")]
    public static partial void LostRevoked(this ILogger log, string lease, string role, string id);

    [LoggerMessage(1026, LogLevel.Warning, "Database {Database} has {Count} users that look like the broker's and that no lease knows; GET /api/v1/leftovers lists them.")]
    public static partial void LeftoversFound(this ILogger log, string database, int count);

    [LoggerMessage(1028, LogLevel.Information, "Database {Database} has users of other brokers, by the marks in their names: {Marks}. This broker leaves them alone. If one of these brokers is gone for good, write its mark into Broker:Ledger:FormerMarks.")]
    public static partial void UsersOfOtherBrokers(this ILogger log, string database, string marks);

    [LoggerMessage(1027, LogLevel.Warning, "Leftover {Username} of database {Database} was dropped: {Why}")]
    public static partial void LeftoverDropped(this ILogger log, string username, string database, string why);

    [LoggerMessage(1030, LogLevel.Warning, "Duty {Duty} on {Database} failed {Times} times in a row; next try in {Retry}: {Why}")]
    public static partial void DutyFailed(this ILogger log, string duty, string database, int times, TimeSpan retry, string why);

    [LoggerMessage(1035, LogLevel.Critical, "A round of duties on {Database} failed because of a fault in the broker; the next one begins in {Pause}.")]
    public static partial void RoundBroke(this ILogger log, string database, TimeSpan pause, Exception e);

    [LoggerMessage(1031, LogLevel.Critical, "Duty {Duty} on {Database} failed because of a fault in the broker.")]
    public static partial void DutyBroke(this ILogger log, string duty, string database, Exception e);

    [LoggerMessage(1032, LogLevel.Warning, "The ledger does not hand out duties on {Database}: {Why}")]
    public static partial void NoDuties(this ILogger log, string database, string why);

    [LoggerMessage(1033, LogLevel.Error, "The ledger has lost records of {Database} (epoch {Epoch}): nothing new is granted for some seconds while the replicas restore what they remember.")]
    public static partial void LedgerLost(this ILogger log, string database, string epoch);

    [LoggerMessage(1034, LogLevel.Warning, "Restored {Count} holders of {Database} to the ledger.")]
    public static partial void LedgerTold(this ILogger log, string database, int count);

    [LoggerMessage(1040, LogLevel.Warning, "Holder {Holder} asked again while the ledger was away and was answered from memory.")]
    public static partial void AnsweredFromMemory(this ILogger log, string holder);

    [LoggerMessage(1041, LogLevel.Warning, "Holder {Holder} gave up, but the ledger was not told; its reservation ends by itself within seconds. {Why}")]
    public static partial void AbandonFailed(this ILogger log, string holder, string why);

    [LoggerMessage(1042, LogLevel.Error, "A claim on {Database} could not be made: the ledger is away. {Why}")]
    public static partial void LedgerAway(this ILogger log, string database, string why);

    [LoggerMessage(1043, LogLevel.Error, "The login of lease {Lease} on {Database} cannot be decrypted: it was sealed by an older version or with lost keys, or somebody else wrote it. The lease takes no more holders, and another lease replaces it.")]
    public static partial void LoginUnreadable(this ILogger log, string lease, string database);

    [LoggerMessage(1044, LogLevel.Information, "Holder {Holder} of role {Role} was granted fewer connections than it asked for, {Why} Each answer says why; this role is not logged again for a minute.")]
    public static partial void SmallerGrant(this ILogger log, string holder, string role, string why);

    [LoggerMessage(1050, LogLevel.Warning, "The cap on the connections of lease {Lease}'s user in {Database} could not be changed: {Why}")]
    public static partial void NotCapped(this ILogger log, string database, string lease, string why);

    [LoggerMessage(1051, LogLevel.Warning, "Database {Database}: {Engine} cannot cap a user's connections (Budget:Enforce): holders with more connections open than granted are logged and shown instead.")]
    public static partial void CannotCap(this ILogger log, string database, Model.DatabaseEngineKind engine);

    [LoggerMessage(1052, LogLevel.Warning, "Database {Database}: the users of role {Role} have {Connections} connections open beyond what its holders were granted: some pod ignores its allotment.")]
    public static partial void OverAllotment(this ILogger log, string database, string role, int connections);

    [LoggerMessage(1053, LogLevel.Information, "Database {Database}: the users of role {Role} no longer have more connections open than granted.")]
    public static partial void WithinAllotment(this ILogger log, string database, string role);

    [LoggerMessage(1054, LogLevel.Information, "Database {Database} is on server {Server}, whose connections it shares with {Others}.")]
    public static partial void ServerShared(this ILogger log, string database, string server, string others);

    [LoggerMessage(1055, LogLevel.Warning, "The server of database {Database} is not known yet, so nothing is promised on it: {Why}")]
    public static partial void ServerUnknown(this ILogger log, string database, string why);

    [LoggerMessage(1056, LogLevel.Information, "Database {Database}: its pooler may have {Connections} connections to the server, shared among {Users} users.")]
    public static partial void PoolResized(this ILogger log, string database, int connections, int users);

    [LoggerMessage(1057, LogLevel.Warning, "Static role {Role} was not rotated within {Window} of its scheduled time: the password of lease {Lease} stays until {Next:u}, the next scheduled time.")]
    public static partial void RotationMissed(this ILogger log, string lease, string role, TimeSpan window, DateTimeOffset next);

    [LoggerMessage(1058, LogLevel.Information, "Database {Database}: wrote the users of its leases into its pooler's list {Path}.")]
    public static partial void UserListWritten(this ILogger log, string database, string path);

    [LoggerMessage(1059, LogLevel.Error, "Database {Database}: its pooler's list of users could not be written; the broker tries again every second: {Why}")]
    public static partial void UserListNotKept(this ILogger log, string database, string why);

    [LoggerMessage(1060, LogLevel.Information, "Database {Database}: its pooler's list of users can be written again.")]
    public static partial void UserListKept(this ILogger log, string database);

    [LoggerMessage(1061, LogLevel.Warning, "Lease {Lease} on {Database}: user {Username} is not in the pooler's list of users: {Why}")]
    public static partial void NotInUserList(this ILogger log, string lease, string database, string username, string why);
}
