using Broker.Core.Words;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>Events 1000-1099: the life of a lease, in the order in which it is lived.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Issued lease {Lease} of role {Role}: user {Username}, for {Duration}.")]
    public static partial void Issued(this ILogger log, string lease, string role, string username, TimeSpan duration);

    [LoggerMessage(1001, LogLevel.Warning, "The issuer warned about lease {Lease} of role {Role}: {Warning}")]
    public static partial void IssueWarned(this ILogger log, string lease, string role, string warning);

    [LoggerMessage(1002, LogLevel.Error, "Issuing lease {Lease} of role {Role} failed, {Code}: {Why}")]
    public static partial void IssueFailed(this ILogger log, string lease, string role, RefusalCode code, string why);

    [LoggerMessage(1003, LogLevel.Warning, "Issuing lease {Lease} of role {Role} was taken over by another attempt; what this one made is revoked.")]
    public static partial void IssueOvertaken(this ILogger log, string lease, string role);

    [LoggerMessage(1004, LogLevel.Error, "Issuing lease {Lease} of role {Role}: the ledger did not answer. {Why}")]
    public static partial void IssueLedgerLost(this ILogger log, string lease, string role, string why);

    [LoggerMessage(1005, LogLevel.Critical, "Issuing lease {Lease} of role {Role} broke: a fault of the broker.")]
    public static partial void IssueBroke(this ILogger log, string lease, string role, Exception e);

    [LoggerMessage(1006, LogLevel.Warning, "Lease {Lease}: no sign of life of its issuing reached the ledger. {Why}")]
    public static partial void BeatFailed(this ILogger log, string lease, string why);

    [LoggerMessage(1007, LogLevel.Error, "What an overtaken attempt at lease {Lease} of role {Role} made, '{Id}', could not be revoked at once: {Why}")]
    public static partial void OvertakenNotRevoked(this ILogger log, string lease, string role, string id, string why);

    [LoggerMessage(1010, LogLevel.Information, "Renewed lease {Lease} of role {Role} for {Duration}.")]
    public static partial void Renewed(this ILogger log, string lease, string role, TimeSpan duration);

    [LoggerMessage(1011, LogLevel.Warning, "Renewing lease {Lease} of role {Role} failed, again in {Retry}: {Why}")]
    public static partial void RenewFailed(this ILogger log, string lease, string role, TimeSpan retry, string why);

    [LoggerMessage(1020, LogLevel.Information, "Lease {Lease} of role {Role} is {State}: {Why}")]
    public static partial void Moved(this ILogger log, string lease, string role, LeaseState state, string why);

    [LoggerMessage(1021, LogLevel.Information, "Revoked lease {Lease} of role {Role}: user {Username} is gone.")]
    public static partial void Revoked(this ILogger log, string lease, string role, string username);

    [LoggerMessage(1022, LogLevel.Error, "Revoking lease {Lease} of role {Role} failed, again in {Retry}: {Why}")]
    public static partial void RevokeFailed(this ILogger log, string lease, string role, TimeSpan retry, string why);

    [LoggerMessage(1023, LogLevel.Warning, "Lease {Lease}: its role {Role} is configured no more; put it back until its leases are over, or drop user '{Username}' by hand.")]
    public static partial void RoleGone(this ILogger log, string lease, string role, string username);

    [LoggerMessage(1030, LogLevel.Warning, "Duty {Duty} on {Database} failed, again in {Retry}: {Why}")]
    public static partial void DutyFailed(this ILogger log, string duty, string database, TimeSpan retry, string why);

    [LoggerMessage(1031, LogLevel.Critical, "Duty {Duty} on {Database} broke: a fault of the broker.")]
    public static partial void DutyBroke(this ILogger log, string duty, string database, Exception e);

    [LoggerMessage(1032, LogLevel.Warning, "The ledger does not hand out duties on {Database}: {Why}")]
    public static partial void NoDuties(this ILogger log, string database, string why);

    [LoggerMessage(1040, LogLevel.Warning, "Holder {Holder} asked again while the ledger was away and was answered from memory.")]
    public static partial void AnsweredFromMemory(this ILogger log, string holder);

    [LoggerMessage(1041, LogLevel.Warning, "Holder {Holder} gave up, but the ledger did not hear of it; its reservation ends by itself within seconds. {Why}")]
    public static partial void AbandonFailed(this ILogger log, string holder, string why);

    [LoggerMessage(1042, LogLevel.Error, "A claim on {Database} could not be made: the ledger is away. {Why}")]
    public static partial void LedgerAway(this ILogger log, string database, string why);
}
