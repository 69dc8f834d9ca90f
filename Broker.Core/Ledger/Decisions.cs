
namespace Broker.Core.Ledger;

/// <summary>All decisions.</summary>
public abstract partial class Decision
{
    internal static Decision<ClaimQuestion, ClaimReply> Claim { get; } = new("claim", ["fair", "breathing", "pools"], first: "repeated");
    internal static Decision<AbandonQuestion, AbandonAnswer> Abandon { get; } = new("abandon");

    internal static Decision<ReleaseQuestion, ReleaseAnswer> Release { get; } = new("release");
    internal static Decision<PodsGoneQuestion, PodsGoneReply> PodsGone { get; } = new("pods_gone");
    internal static Decision<HoldersQuestion, HoldersReply> Holders { get; } = new("holders");

    internal static Decision<SucceedQuestion, SucceedAnswer> Succeed { get; } = new("succeed", ["pools"]);
    internal static Decision<BeginQuestion, BeginAnswer> Begin { get; } = new("begin", ["attempts"]) { IsCostly = true };
    internal static Decision<AttemptQuestion, AttemptAnswer> Beat { get; } = new("beat", ["attempts"]);
    internal static Decision<AttemptQuestion, AttemptAnswer> HandOn { get; } = new("hand_on");
    internal static Decision<IssuedQuestion, IssuedAnswer> Issued { get; } = new("issued");
    internal static Decision<ActivateQuestion, AttemptAnswer> Activate { get; } = new("activate") { IsCostly = true };
    internal static Decision<FailQuestion, FailAnswer> Fail { get; } = new("fail");

    internal static Decision<LeaseIdsQuestion, LeaseIdsReply> LeaseIds { get; } = new("lease_ids");
    internal static Decision<LeasesQuestion, LeasesReply> Leases { get; } = new("leases");
    internal static Decision<RenewedQuestion, StandingAnswer> Renewed { get; } = new("renewed");
    internal static Decision<VerifiedQuestion, StandingAnswer> Verified { get; } = new("verified");
    internal static Decision<LeaseQuestion, StandingAnswer> Lapse { get; } = new("lapse", ["awaited"]);
    internal static Decision<ExpireQuestion, ExpireAnswer> Expire { get; } = new("expire", ["awaited"]);
    internal static Decision<MoveQuestion, MoveAnswer> Move { get; } = new("move") { IsCostly = true };
    internal static Decision<LeaseQuestion, ForgetAnswer> Forget { get; } = new("forget");
    internal static Decision<RestoreQuestion, RestoreReply> Restore { get; } = new("restore");

    internal static Decision<SampleQuestion, SampleReply> Sample { get; } = new("sample", ["fair", "breathing"]);
    internal static Decision<LineQuestion, LineReply> Line { get; } = new("line");
    internal static Decision<PauseQuestion, PauseAnswer> Pause { get; } = new("pause");
    internal static Decision<NothingAsked, SilentReply> Silent { get; } = new("silent");
    internal static Decision<RestQuestion, RestAnswer> Rest { get; } = new("rest");
    internal static Decision<NothingAsked, DoneAnswer> Wake { get; } = new("wake");
    internal static Decision<BudgetQuestion, BudgetRecord> Budget { get; } = new("budget");
    internal static Decision<NothingAsked, LeftoversReply> Leftovers { get; } = new("leftovers");
    internal static Decision<ReplaceLeftoversQuestion, DoneAnswer> ReplaceLeftovers { get; } = new("replace_leftovers");

    internal static Decision<TakeCapQuestion, CapTurn> TakeCap { get; } = new("take_cap", ["caps"]);
    internal static Decision<LowerCapQuestion, LowerCapAnswer> LowerCap { get; } = new("lower_cap", ["caps"]);
    internal static Decision<CappedQuestion, CappedAnswer> Capped { get; } = new("capped", ["caps"]);

    internal static Decision<DueQuestion, DueReply> Due { get; } = new("due", ["voices"]);
    internal static Decision<DoneQuestion, DutyDoneAnswer> Done { get; } = new("done");
    internal static Decision<DutiesQuestion, DutiesReply> Duties { get; } = new("duties");
    internal static Decision<HurryQuestion, DoneAnswer> Hurry { get; } = new("hurry");

    internal static Decision<TakeFlightQuestion, FlightAnswer> TakeFlight { get; } = new("take_flight");
    internal static Decision<LandQuestion, DoneAnswer> Land { get; } = new("land");

    internal static Decision<SharedQuestion, SharedAnswer> Shared { get; } = new("shared", ["voices"]);
    internal static Decision<ReplaceSharedQuestion, ReplaceSharedAnswer> ReplaceShared { get; } = new("replace_shared") { IsCostly = true };

    internal static Decision<HearQuestion, DoneAnswer> Hear { get; } = new("hear");

    internal static Decision<OpenSessionQuestion, OpenSessionAnswer> OpenSession { get; } = new("open_session", ["sessions"]) { IsCostly = true };
    internal static Decision<SessionQuestion, SessionAnswer> ReadSession { get; } = new("read_session", ["sessions"]);
    internal static Decision<RenewSessionQuestion, RenewSessionAnswer> RenewSession { get; } = new("renew_session", ["sessions"]);
    internal static Decision<SessionQuestion, RevokeSessionAnswer> RevokeSession { get; } = new("revoke_session", ["sessions"]) { IsCostly = true };

    internal static Decision<ExchangedQuestion, ExchangedReply> Exchanged { get; } = new("exchanged", ["sessions"]);
    internal static Decision<RestoreExchangedQuestion, DoneAnswer> RestoreExchanged { get; } = new("restore_exchanged", ["sessions"]);

    internal static Decision<PutRecordsQuestion, PutRecordsReply> PutRecords { get; } = new("put_records", ["records"]);
    internal static Decision<ReadRecordsQuestion, ReadRecordsReply> ReadRecords { get; } = new("read_records", ["records"]);
    internal static Decision<RenewRecordsQuestion, RenewRecordsReply> RenewRecords { get; } = new("renew_records", ["records"]);
    internal static Decision<RecordQuestion, DropRecordAnswer> DropRecord { get; } = new("drop_record", ["records"]);

    /// <summary>The same for a record that must not come back.</summary>
    internal static Decision<RecordQuestion, DropRecordAnswer> RevokeRecord { get; } = new("drop_record", ["records"]) { IsCostly = true };
    internal static Decision<ListRecordsQuestion, ListRecordsReply> ListRecords { get; } = new("list_records", ["records"]);

    internal static Decision<TakeShareQuestion, TakeShareAnswer> TakeShare { get; } = new("take_share", ["shares"]);
    internal static Decision<SettleShareQuestion, DoneAnswer> SettleShare { get; } = new("settle_share", ["shares"]);
    internal static Decision<LeaveShareQuestion, LeaveShareAnswer> LeaveShare { get; } = new("leave_share", ["shares"]);
    internal static Decision<ShareVersionQuestion, ShareVersionAnswer> ShareVersion { get; } = new("share_version", ["shares"]);
    internal static Decision<RestoreSharesQuestion, DoneAnswer> RestoreShares { get; } = new("restore_shares", ["shares"]);

    internal static Decision<RecordHistoryQuestion, DoneAnswer> RecordHistory { get; } = new("record_history", ["history"]);
    internal static Decision<RecordRefusalsQuestion, DoneAnswer> RecordRefusals { get; } = new("record_refusals", ["history"]);
    internal static Decision<ReadHistoryQuestion, HistoryRecord> ReadHistory { get; } = new("read_history", ["history"]);

    internal static Decision<HelloQuestion, DoneAnswer> Hello { get; } = new("hello", ["voices"]);
}

/// <summary>The empty question.</summary>
internal sealed record NothingAsked;

/// <summary>The empty answer.</summary>
internal enum DoneAnswer
{
    /// <summary>It is done.</summary>
    Done,
}
