using Broker.Core.Ledger;
using Broker.Core.Ledger.Wire;
using Broker.Core.Model;
using LoadTests.FromInside.Mutation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>The fields that scripts and C# exchange have the same names on both sides, taken from the C# types.</summary>
public sealed class WireTests
{
    private const string Script =
        """
        -- A question.
        -- asked:   lease, fence: number, why?, roles {…}, names …
        --   roles: name, ttl: ms
        -- answers: go (now: time, cap?: number) | overtaken
        local x = asked.lease .. asked.fence .. (asked.why or '') .. #asked.roles .. #asked.names
        if x then return answer.overtaken() end
        return answer.go{ now = 5, cap = nil }

        """;

    [Fact]
    public void A_script_that_declares_uses_and_answers_what_its_types_say_is_accepted() => Check(Script);

    [Theory]
    [InlineData("lease, fence: number", "lease", "its header must be")]
    [InlineData("fence: number", "fence: ms", "its header must be")]
    [InlineData("why?", "why", "its header must be")]
    [InlineData("name, ttl: ms", "name", "its header must be")]
    [InlineData("| overtaken", "| superseded", "its header must be")]
    [InlineData("asked.fence", "asked.fences", "it uses asked.fences, which is not declared")]
    [InlineData("asked.fence", "1", "it declares asked.fence and never uses it")]
    [InlineData("asked.fence", "ARGV[3]", "it reads ARGV")]
    [InlineData("asked.fence", "asked.fence .. KEYS[1]", "it reads KEYS")]
    [InlineData("now = 5, cap = nil", "now = 5", "answer.go has now; declared is cap, now")]
    [InlineData("now = 5, cap = nil", "now = 5, cap = nil, why = 'x'", "answer.go has cap, now, why")]
    [InlineData("now = 5, cap = nil", "now = f{ a = 1 } == 2, caps = nil", "answer.go has caps, now")]
    public void A_script_that_differs_from_its_types_is_refused(string text, string instead, string why) =>
        Should.Throw<InvalidOperationException>(() => Check(Script.Replace(text, instead, StringComparison.Ordinal))).Message.ShouldContain(why);

    [Fact]
    public void What_is_written_is_read_again()
    {
        var question = new Question("l|1", 12_345_678_901, null, [new("r", TimeSpan.FromSeconds(1.5)), new("", TimeSpan.Zero)], ["a", ""]);
        var words = new List<string>();
        WireFormat<Question>.Instance.Write(question, words);
        words.ShouldBe(["l|1", "12345678901", "", "2", "r", "1500", "", "0", "2", "a", ""]);
        var read = WireFormat<Question>.Instance.ReadAll(words);
        (read.Lease, read.Fence, read.Roles.Count, read.Roles[0], read.Names[1]).ShouldBe(("l|1", 12_345_678_901, 2, question.Roles[0], ""));
    }

    [Theory]
    [InlineData("253402300800000")]
    [InlineData("-62135596800001")]
    [InlineData("9223372036854775808")]
    [InlineData("1e3")]
    [InlineData("soon")]
    [InlineData("")]
    public void A_time_that_somebody_made_up_is_not_believed(string text) => Refuse(typeof(DateTimeOffset), text);

    [Theory]
    [InlineData("922337203685478")]
    [InlineData("-922337203685478")]
    [InlineData("9223372036854775808")]
    [InlineData("soon")]
    public void A_duration_that_somebody_made_up_is_not_believed(string text) => Refuse(typeof(TimeSpan), text);

    [Theory]
    [InlineData(typeof(int), "2147483648")]
    [InlineData(typeof(int), "five")]
    [InlineData(typeof(long), "9223372036854775808")]
    [InlineData(typeof(double), "much")]
    [InlineData(typeof(LeaseState), "Lost")]
    [InlineData(typeof(LeaseState), "17")]
    [InlineData(typeof(LeaseState), "1")]
    [InlineData(typeof(LeaseState), "active")]
    [InlineData(typeof(IReadOnlyList<string>), "2147483647", "a")]
    [InlineData(typeof(IReadOnlyList<string>), "-1")]
    [InlineData(typeof(IReadOnlyList<string>), "many")]
    public void A_number_a_name_or_a_count_that_somebody_made_up_is_not_believed(Type type, params string[] texts) => Refuse(type, texts);

    [Theory]
    [InlineData("9223372036854775808")]
    [InlineData("1e300")]
    [InlineData("soon")]
    public async Task A_mark_that_somebody_made_up_is_not_believed(string mark)
    {
        await using var store = new AnsweringStore(["epoch", mark, "nothing"]);
        var holders = new HolderLedger(new LedgerClient(store), new());
        (await Should.ThrowAsync<LedgerException>(async () => await holders.ReleaseAsync("orders", "r.h", TestContext.Current.CancellationToken))).Message.ShouldContain("another version of the broker");
    }

    [Theory]
    [InlineData("1:many:0:r")]
    [InlineData("1:2147483648:0:r")]
    public void A_range_that_somebody_made_up_is_not_believed(string range) =>
        Should.Throw<LedgerException>(() => _ = new ClaimAnswer.Granted("lease", 3, default, default, default, null, false, null, null, null, Range: range).Most);

    private static void Refuse(Type type, params string[] texts) =>
        Should.Throw<LedgerException>(() => Read(type, texts)).Message.ShouldContain("another version of the broker");

    private static object Read(Type type, string[] words) => type switch
    {
        _ when type == typeof(DateTimeOffset) => WireFormat<One<DateTimeOffset>>.Instance.ReadAll(words),
        _ when type == typeof(TimeSpan) => WireFormat<One<TimeSpan>>.Instance.ReadAll(words),
        _ when type == typeof(int) => WireFormat<One<int>>.Instance.ReadAll(words),
        _ when type == typeof(long) => WireFormat<One<long>>.Instance.ReadAll(words),
        _ when type == typeof(double) => WireFormat<One<double>>.Instance.ReadAll(words),
        _ when type == typeof(LeaseState) => WireFormat<One<LeaseState>>.Instance.ReadAll(words),
        _ => WireFormat<One<IReadOnlyList<string>>>.Instance.ReadAll(words),
    };

    private sealed record One<T>(T Value);

    private sealed class AnsweringStore(string[] answer) : ILedgerStore
    {
        public ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation) => ValueTask.FromResult(answer);

        public IDisposable Listen(string database, Action<string> heard) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("go", "5")]
    [InlineData("go", "5", "1", "2")]
    [InlineData("stop")]
    [InlineData]
    public void An_answer_that_has_too_few_or_too_many_words_or_another_kind_is_not_believed(params string[] words) =>
        Should.Throw<LedgerException>(() => WireFormat<Answer>.Instance.ReadAll(words)).Message.ShouldContain("another version of the broker");

    [Fact]
    public void An_answer_is_read_by_its_kind()
    {
        WireFormat<Answer>.Instance.ReadAll(["go", "5", ""]).ShouldBe(new Answer.Go(DateTimeOffset.FromUnixTimeMilliseconds(5), null));
        WireFormat<Answer>.Instance.ReadAll(["go", "5", "-1"]).ShouldBe(new Answer.Go(DateTimeOffset.FromUnixTimeMilliseconds(5), -1));
        WireFormat<Answer>.Instance.ReadAll(["overtaken"]).ShouldBe(new Answer.Overtaken());
    }

    [Fact]
    public void Every_script_is_a_decisions_and_every_decision_is_in_the_list()
    {
        LedgerScripts.Decisions.Count.ShouldBeGreaterThan(35);
        var embedded = typeof(Decision).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".lua", StringComparison.Ordinal)).ToArray();
        embedded.Order().ShouldBe(LedgerScripts.Files.Concat(["abilities.lua", "ring_abilities.lua"]).Order()); // which decide nothing
    }

    private static void Check(string script) => ScriptHeader.Check("question", script, WireShape.Of(typeof(Question)), WireShape.Of(typeof(Answer)));

    internal sealed record Question(string Lease, long Fence, string? Why, IReadOnlyList<Role> Roles, IReadOnlyList<string> Names);

    internal sealed record Role(string Name, TimeSpan Ttl);

    internal abstract record Answer
    {
        public sealed record Go(DateTimeOffset Now, int? Cap) : Answer;

        public sealed record Overtaken : Answer;
    }
}
