using System.Text.RegularExpressions;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Wire;
using KeraLua;
using LoadTests.FromInside.Mutation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>A decision's script contains everything that it uses of the files it is put together from, and nothing else.</summary>
public sealed class ScriptNeedsTests
{
    [Theory]
    [InlineData("local function f() return 1 end", "return 2", true)]
    [InlineData("local function f()\n  if a then return 1 end\nend", "return 2", true)]
    [InlineData("local function f() return 1 end", "return f()", false)]
    [InlineData("local function f() return 1 end", "return 2 -- not f()", true)]
    [InlineData("local function f() return 1 end", "return '--' .. f()", false)]
    [InlineData("local function f() return 1 end", "return \"--\" .. f()", false)]
    [InlineData("local function f() return 1 end", "return a.f", true)]
    [InlineData("local function f() return 1 end", "return 'a'..f()", false)]
    [InlineData("local function f() return 1 end", "return ff", true)]
    [InlineData("local function f() return 1 end", "local function g() return f() end\nreturn g()", false)]
    [InlineData("local A, b = 1, {} -- of no use", "return 2", true)]
    [InlineData("local A, b = 1, {}", "return #b", false)]
    [InlineData("local A = { 'x', 'y' }", "return 2", true)]
    [InlineData("local a = call('GET')", "return 2", false)]
    [InlineData("local a = b", "return 2", false)]
    [InlineData("local a, b\ndo\n  local C = 1\n  function a() return C end\n\n  function b()\n    call('DEL')\n  end\nend", "return 2", true)]
    [InlineData("local a, b\ndo\n  function a() return 1 end\n  function b() return 2 end\nend", "return b()", false)]
    [InlineData("local a\ndo\n  local c = call('TIME')\n  function a() return c end\nend", "return 2", false)]
    [InlineData("local a\ndo\n  function a() return 1 end\n  x = 2\nend", "return 2", false)]
    [InlineData("do\n  x = 2\nend", "return 2", false)]
    public void What_does_nothing_by_being_declared_and_is_named_nowhere_behind_is_left_out(string part, string rest, bool isLeftOut)
    {
        var lines = part.Split('\n');
        ScriptNeeds.Of($"{part}\n{rest}\n").ShouldBe($"{(isLeftOut ? new string('\n', lines.Length - 1) : part)}\n{rest}\n");
    }

    [Fact]
    public void What_only_something_left_out_uses_is_left_out_too() =>
        ScriptNeeds.Of("local function f() return 1 end\nlocal function g() return f() end\nlocal function h() return 2 end\nreturn h()\n")
            .ShouldBe("\n\nlocal function h() return 2 end\nreturn h()\n");

    [Fact]
    public void Every_decision_has_all_the_names_that_it_uses()
    {
        using var lua = new Lua(openLibs: false);
        foreach (var decision in LedgerScripts.Decisions)
        {
            lua.LoadString(decision.Script, decision.Name).ShouldBe(LuaStatus.OK, decision.Name);
            lua.SetTop(0);
            var (whole, kept) = (string.Concat(decision.Files.Select(Decision.Read)).Split('\n'), decision.Script.Split('\n'));
            kept.Length.ShouldBe(whole.Length, decision.Name);
            var tokens = LuaToken.Read(decision.Script);
            var leftOut = Enumerable.Range(0, whole.Length).Where(at => kept[at].Length == 0)
                .SelectMany(at => Regex.Matches(Regex.Match(whole[at], @"^local (function \w+|[\w, ]+)").Groups[1].Value, @"(?!function\b)\w+").Select(name => (Name: name.Value, Line: at + 1))).ToArray();
            for (var i = 1; i < tokens.Count; i++)
            {
                if (tokens[i].Kind == LuaKind.Name && tokens[i - 1].Text != "." && leftOut.Any(part => part.Name == tokens[i].Text && part.Line < tokens[i].Line))
                    Assert.Fail($"{decision} names {tokens[i].Text} on line {tokens[i].Line}, which is left out");
            }
        }

        // What reads a list of ids needs little of what there is.
        Decision.LeaseIds.Script.Split('\n').Count(line => line.StartsWith("local function ", StringComparison.Ordinal)).ShouldBeInRange(1, 20);
    }
}
