using System.Collections.Concurrent;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A fault of the broker's own is an outcome like any other: it is on record before the answer leaves.</summary>
public sealed class FaultsTests
{
    [Fact]
    public async Task L7_A_fault_is_on_record_without_a_word_of_what_was_in_it()
    {
        var audit = new Recorded();
        var context = Context();
        await Guard(audit).GuardAsync(context, _ => throw new InvalidOperationException("password=hunter2"));
        context.Response.StatusCode.ShouldBe(500);
        var record = audit.Records.ShouldHaveSingleItem();
        (record.Outcome, record.HttpStatus).ShouldBe((AuditOutcome.Failed, 500));
        record.Detail.ShouldBe("POST /api/v1/roles/x/credentials: a fault in the broker (InvalidOperationException)");
    }

    [Fact]
    public async Task L7_A_fault_that_cannot_be_written_down_is_still_answered()
    {
        var context = Context();
        await Guard(new Recorded { Broken = true }).GuardAsync(context, _ => throw new InvalidOperationException());
        context.Response.StatusCode.ShouldBe(500);
    }

    [Fact]
    public async Task L15_Faults_without_a_proven_caller_are_counted_and_only_those_that_are_written_are_logged()
    {
        var (audit, apart, logged) = (new Recorded(), new Recorded(), new CountingLogger());
        var unproven = new UnprovenRefusals(apart, new FakeTimeProvider(), NullLogger<UnprovenRefusals>.Instance);
        var guard = new RequestGuard(audit, unproven, new(new()), new FakeTimeProvider(), logged);
        for (var request = 0; request < 50; request++) await guard.GuardAsync(Context(), _ => throw new InvalidOperationException());
        (audit.Records.Count, apart.Records.Count, logged.Count).ShouldBe((0, UnprovenRefusals.EachOfAnAddress, UnprovenRefusals.EachOfAnAddress));
        await unproven.SumUpAsync();
        apart.Records.Last().Times.ShouldBe(45);
    }

    [Theory]
    [InlineData(typeof(ConnectionResetException), false, true)]
    [InlineData(typeof(ConnectionAbortedException), false, true)]
    [InlineData(typeof(OperationCanceledException), true, true)]
    [InlineData(typeof(OperationCanceledException), false, false)]
    [InlineData(typeof(IOException), true, true)]
    [InlineData(typeof(IOException), false, false)]
    [InlineData(typeof(FileNotFoundException), true, false)]
    public async Task L15_A_caller_that_breaks_off_in_the_middle_has_left_and_brought_about_no_fault(Type thrown, bool aborted, bool left)
    {
        var audit = new Recorded();
        var context = Context();
        context.RequestAborted = new CancellationToken(aborted);

        await Guard(audit).GuardAsync(context, _ => throw (Exception)(thrown == typeof(ConnectionResetException) ? new ConnectionResetException("") : Activator.CreateInstance(thrown)!));

        audit.Records.Count.ShouldBe(left ? 0 : 1);
    }

    private static RequestGuard Guard(IAudit audit) => new(
        audit, new UnprovenRefusals(audit, new FakeTimeProvider(), NullLogger<UnprovenRefusals>.Instance), new(new()), new FakeTimeProvider(), NullLogger<RequestGuard>.Instance);

    private static DefaultHttpContext Context() => new()
    {
        RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider(),
        Request = { Method = "POST", Path = "/api/v1/roles/x/credentials" },
    };

    private sealed class CountingLogger : ILogger<RequestGuard>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Count++;
    }

    private sealed class Recorded : IAudit
    {
        public ConcurrentQueue<AuditRecord> Records { get; } = [];

        public bool Broken { get; init; }

        public ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
        {
            if (Broken) throw new AuditUnavailableException("no room", null);
            Records.Enqueue(record);
            return new(true);
        }
    }
}
