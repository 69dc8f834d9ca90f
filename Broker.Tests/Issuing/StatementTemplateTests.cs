using System.Text;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing;

public sealed class StatementTemplateTests
{
    private static readonly DateTimeOffset End = new(2026, 3, 1, 14, 5, 6, 789, TimeSpan.FromHours(2));

    [Fact]
    public void The_statement_of_Vaults_documentation_is_rendered_as_Vault_does() => Render(
        """
        CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";
        """).ShouldBe(
        [
            "CREATE ROLE \"b-user\" WITH LOGIN PASSWORD 'Pass-word_1' VALID UNTIL '2026-03-01 12:05:06+0000'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"b-user\"",
        ]);

    [Theory]
    [InlineData("{{name}} {{username}} {{ name }} {{  username}} {{\tname}}", "b-user b-user b-user b-user b-user")]
    [InlineData("{{unknown}} {{NAME}} {name} {{na me}} {{}}", "{{unknown}} {{NAME}} {name} {{na me}} {{}}")]
    [InlineData("{{{name}}}", "{b-user}")]
    public void Placeholders_are_filled_and_unknown_ones_stay(string template, string rendered) => Render(template).ShouldBe([rendered]);

    [Fact]
    public void Placeholders_without_a_value_stay() =>
        StatementTemplate.Render(DatabaseEngineKind.PostgreSql, ["DROP ROLE {{name}} {{password}} {{expiration}}"], "b-user")
            .ShouldBe(["DROP ROLE b-user {{password}} {{expiration}}"]);

    [Fact]
    public void A_value_that_looks_like_a_placeholder_is_not_filled_again() =>
        StatementTemplate.Render(DatabaseEngineKind.PostgreSql, ["{{name}} {{password}}"], "{{password}}", new Secret("{{name}}")).ShouldBe(["{{password}} {{name}}"]);

    [Theory]
    [InlineData("a; b;; ;c;", new[] { "a", "b", "c" })]
    [InlineData("  \n ", new string[0])]
    [InlineData("""["a; b", " c "]""", new[] { "a", "b", "c" })]
    [InlineData("[not json; x", new[] { "[not json", "x" })]
    [InlineData("DO $$ BEGIN a; b; END $$;", new[] { "DO $$ BEGIN a; b; END $$" })]
    [InlineData("SELECT 'the END'; SELECT \"END\"; x", new[] { "SELECT 'the END'", "SELECT \"END\"", "x" })]
    [InlineData("APPEND; x", new[] { "APPEND", "x" })]
    public void What_Vault_takes_is_taken(string template, string[] statements) => Render(template).ShouldBe(statements);

    [Fact]
    public void Statements_in_Base64_are_read_as_Vault_reads_them()
    {
        Render(Convert.ToBase64String(Encoding.UTF8.GetBytes("a {{name}}; b"))).ShouldBe(["a b-user", "b"]);
        Render(Convert.ToBase64String(Encoding.UTF8.GetBytes("""["a; b", "c"]"""))).ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public void Several_statements_keep_their_order() =>
        StatementTemplate.Render(DatabaseEngineKind.PostgreSql, ["1; 2", "DO $$ BEGIN 3; END $$", "4"], "b-user").ShouldBe(["1", "2", "DO $$ BEGIN 3; END $$", "4"]);

    [Theory]
    [InlineData("a'b")]
    [InlineData("a\"b")]
    [InlineData("a\\b")]
    [InlineData("a;b")]
    [InlineData("a$$b")]
    [InlineData("a\nb")]
    public void Values_that_could_end_their_literal_are_refused_and_not_shown(string value)
    {
        Should.Throw<ArgumentException>(() => StatementTemplate.Render(DatabaseEngineKind.PostgreSql, ["{{name}}"], value));
        Should.Throw<ArgumentException>(() => StatementTemplate.Render(DatabaseEngineKind.PostgreSql, ["{{name}}"], "b-user", new Secret(value + "hush")))
            .ToString().ShouldNotContain("hush");
    }

    private static IReadOnlyList<string> Render(string template) => StatementTemplate.Render(DatabaseEngineKind.PostgreSql, [template], "b-user", new Secret("Pass-word_1"), End);
}
