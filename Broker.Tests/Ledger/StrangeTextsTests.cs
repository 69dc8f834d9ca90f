using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>Another program wrote into the ledger what no broker would: a caller that reads or changes a shared text there is answered all the same (law L10).</summary>
public sealed class StrangeTextsTests : IAsyncLifetime
{
    private readonly InProcessLedgerStore store = TestedScripts.Open(TimeProvider.System);

    public static TheoryData<string> Strange { get; } = ["", "|", "|1", "text", "text|", "text|1", "a|b|1", "|99999999999999", "text|99999999999999"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Theory]
    [MemberData(nameof(Strange))]
    public async Task L10_A_text_that_no_broker_wrote_ends_a_read_and_a_change(string strange)
    {
        var (knows, isNew) = (new TextLedger(new LedgerClient(store)), new TextLedger(new LedgerClient(store)));
        await knows.ChangeSharedAsync("name", _ => "ours", Cancellation);
        Write(strange);

        await EndsAsync(async () => await knows.ReadSharedAsync("name", Cancellation));
        Write(strange);
        await EndsAsync(async () => await isNew.ChangeSharedAsync("name", _ => "theirs", Cancellation));
        Write(strange);
        await EndsAsync(async () => await knows.ChangeSharedAsync("name", there => there == "ours" ? null : "ours again", Cancellation));
    }

    private void Write(string text)
    {
        var keys = store.Copy();
        keys.Execute(["HSET", LedgerKeys.Of(SharedLedger.Issuers)[0], "shared:name", text]);
        store.PutBack(keys);
    }

    // With what was asked for, or in words.
    private static async Task EndsAsync(Func<Task> ask)
    {
        try
        {
            await ask();
        }
        catch (LedgerException e)
        {
            e.Message.ShouldContain("shared:name");
        }
    }
}
