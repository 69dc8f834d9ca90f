using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Core.Ledger;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The pictures of docs/architecture.md show what the code does.</summary>
public sealed partial class PicturesTests
{
    // Any room may use these; what they use among themselves is drawn in words.
    private static readonly string[] Everybodys = ["Model", "Catalog", "Databases"];

    private static readonly string Page = Repository.Read("docs/architecture.md");

    [Fact]
    public void Each_step_of_a_request_stands_in_the_code_with_its_number()
    {
        var steps = Step().Matches(Page).Select(match => (Number: int.Parse(match.Groups[1].Value, null), Text: match.Groups[2].Value, Files: File().Matches(match.Groups[3].Value))).ToArray();
        steps.Select(step => step.Number).ShouldBe(Enumerable.Range(1, 14));

        foreach (var (number, text, files) in steps)
        {
            files.Count.ShouldBeGreaterThan(0);
            foreach (Match file in files)
                Repository.Read(file.Groups[1].Value).ShouldContain($"Step {number}: {text}", customMessage: file.Value);
        }
    }

    [Fact]
    public void A_leases_moves_are_those_of_the_ledger()
    {
        var script = Repository.Read("Broker.Core/Ledger/Scripts/common.lua");
        var moves = Moves().Match(script).Groups[1].Value.Split('\n')
            .Select(line => Move().Match(line)).Where(match => match.Success)
            .SelectMany(match => State().Matches(match.Groups[2].Value).Select(to => $"{match.Groups[1].Value} --> {to.Groups[1].Value}"))
            .ToArray();
        moves.Length.ShouldBeGreaterThan(10);

        Picture("stateDiagram-v2").Where(line => !line.Contains("[*]", StringComparison.Ordinal)).ShouldBe(moves, ignoreOrder: true);
    }

    [Fact]
    public void Rooms_use_each_other_as_drawn_and_never_in_a_circle()
    {
        var uses = CompiledUses.Of(typeof(SharedLedger).Assembly).Concat(CompiledUses.Of(typeof(CallerProver).Assembly))
            .Select(use => (User: RoomOf(use.User), Used: RoomOf(use.Used)))
            .Where(use => use.User is not null && use.Used is not null && use.User != use.Used)
            .Select(use => (User: use.User!, Used: use.Used!))
            .Distinct()
            .ToArray();

        Circle(uses).ShouldBeEmpty();
        Shortest([.. uses.Where(use => !Everybodys.Contains(use.User) && !Everybodys.Contains(use.Used))]).Select(use => $"{use.User} --> {use.Used}")
            .ShouldBe(Picture("graph TD"), ignoreOrder: true);
        uses.Where(use => Everybodys.Contains(use.User)).ShouldAllBe(use => Array.IndexOf(Everybodys, use.Used) >= 0 && Array.IndexOf(Everybodys, use.Used) < Array.IndexOf(Everybodys, use.User));
    }

    // A room is a folder of the project, and within Leases and Fronts a folder of theirs.
    private static string? RoomOf(Type type)
    {
        var parts = (type.Namespace ?? "").Split('.');
        return parts is not ["Broker", "Core" or "Api", ..] || parts.Length == 2 ? null
            : parts[2] is "Leases" or "Fronts" && parts.Length > 3 ? $"{parts[2]}.{parts[3]}"
            : parts[2];
    }

    private static string[] Circle(IReadOnlyCollection<(string User, string Used)> uses)
    {
        var left = uses.ToList();
        while (left.RemoveAll(use => !left.Exists(other => other.User == use.Used)) > 0)
        {
            // Who uses nobody that is left is in no circle.
        }

        return [.. left.Where(use => left.Exists(other => other.Used == use.User)).Select(use => $"{use.User} --> {use.Used}")];
    }

    // Without the arrows that follow from others.
    private static (string User, string Used)[] Shortest((string User, string Used)[] uses)
    {
        return [.. uses.Where(use => !uses.Any(first => first.User == use.User && first.Used != use.Used && Reaches(first.Used, use.Used)))];

        bool Reaches(string from, string to) => uses.Any(next => next.User == from && (next.Used == to || Reaches(next.Used, to)));
    }

    private static string[] Picture(string kind)
    {
        var from = Page.IndexOf("```mermaid\n" + kind, StringComparison.Ordinal);
        from.ShouldBeGreaterThan(0);
        return [.. Page[from..Page.IndexOf("```", from + 10, StringComparison.Ordinal)].Split('\n').Select(line => line.Trim()).Where(line => line.Contains("-->", StringComparison.Ordinal))];
    }

    [GeneratedRegex(@"^\| (\d+) \| (.+?) \| (.+) \|$", RegexOptions.Multiline)]
    private static partial Regex Step();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex File();

    [GeneratedRegex(@"local function moves\(\)\s+return \{(.*?)\n  \}", RegexOptions.Singleline)]
    private static partial Regex Moves();

    [GeneratedRegex(@"^\s*(\w+)\s+= \{(.*)\}")]
    private static partial Regex Move();

    [GeneratedRegex(@"(\w+) = true")]
    private static partial Regex State();
}
