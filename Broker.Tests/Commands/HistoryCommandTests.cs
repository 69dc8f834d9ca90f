using Broker.Api.Commands.Remote;
using Broker.Api.Fronts.Native.History;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>What <c>broker history</c> writes, and the line of blocks that it draws.</summary>
public sealed class HistoryCommandTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void What_was_not_counted_is_a_dot_and_what_was_not_in_use_a_blank() =>
        HistoryCommand.Line(Of(Enumerable.Range(0, 60).Where(minute => minute is < 20 or >= 50).Select(minute => (minute, minute < 20 ? 100 : 0))))
            .ShouldBe(new string('█', 20) + new string('·', 30) + new string(' ', 10));

    [Fact]
    public void Few_stretches_have_no_gaps_between_them() =>
        HistoryCommand.Line(Of([(0, 100), (1, 100), (2, 100)])).ShouldBe(new string('█', 60));

    [Theory]
    [InlineData(5400, "Full in 90 min at the rate of the last half hour.")]
    [InlineData(null, "It is not filling up at the present rate.")]
    public void The_time_until_the_database_is_full_is_a_sentence(int? seconds, string sentence)
    {
        using var text = new StringWriter();
        HistoryCommand.Write(CommandLine.ConsoleInto(text), Of([(0, 10)]) with { FullInSeconds = seconds });
        text.ToString().Split('\n').ShouldContain(line => line.TrimEnd() == sentence);
    }

    private static HistoryShape Of(IEnumerable<(int Minute, int Used)> stretches) => new(
        "orders", "6h", 60, [.. stretches.Select(each => new HistoryShape.StretchShape(Start.AddMinutes(each.Minute), 100, 100, 0, 100, each.Used, each.Used, 0, 100, 0))], [], null, []);
}
