using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Operators.Indicators;
using Broker.Tests.Authentication;
using Broker.Tests.Catalog;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>JSON in a document is configuration that the broker reads without a mistake, or says itself what else it is.</summary>
public sealed partial class JsonBlocksTests : IDisposable
{
    // What is no configuration: an answer (FirstCallsTests compares it), and the report of a drill.
    private static readonly string[] Others = ["README.md json 1", "docs/drill.md json 1"];

    private static readonly string Certificate = CertificateText();

    private readonly string mounted = Directory.CreateTempSubdirectory("broker-documented-").FullName;

    public static TheoryData<string> Configurations => [.. DocumentBlock.NamesOf("json").Except(Others)];

    public void Dispose() => Directory.Delete(mounted, recursive: true);

    [Theory]
    [MemberData(nameof(Configurations))]
    public void A_configuration_is_read_without_a_mistake(string name)
    {
        var json = DocumentBlock.Named(name).Text.Trim();
        if (!json.StartsWith('{')) json = $"{{{json}}}";
        foreach (Match file in MountedFile().Matches(json).DistinctBy(match => match.Value)) json = json.Replace($"\"{file.Groups[1].Value}\"", $"\"{Mount(file.Groups[1].Value)}\"", StringComparison.Ordinal);

        var written = JsonNode.Parse(json)!.AsObject();
        var isWhole = written.ContainsKey(CatalogReader.Section);
        var prefix = isWhole ? "" : $"{CatalogReader.Section}:";
        var builder = new ConfigurationBuilder();
        if (!isWhole) builder.AddConfiguration(Around());
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(json));
        var read = new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable().Where(entry => entry.Value is not null).Select(entry => KeyValuePair.Create(prefix + entry.Key, entry.Value)).ToArray();
        var reading = CatalogReader.Read(builder.AddInMemoryCollection(read).Build());

        read.ShouldNotBeEmpty();
        reading.Errors.ShouldBeEmpty();
    }

    [Fact]
    public void The_report_of_a_drill_is_one()
    {
        var report = Path.Combine(mounted, "report.json");
        File.WriteAllText(report, DocumentBlock.Named("docs/drill.md json 1").Text);

        var indicator = new LastDrill(new() { ReportFile = report }, new FakeTimeProvider(new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero))).Read();

        (indicator.Met, indicator.Detail).ShouldBe(((bool?)true, "The last one ended 2026-01-15 10:30 UTC and passed."));
    }

    // A right configuration, with what fragments take for granted: the issuer that their roles name, and keys for a Redis.
    private IConfigurationRoot Around() => Configured.With(("Issuers:built-in:Kind", "BuiltIn"), ("Sealing:Directory", mounted));

    private static string CertificateText()
    {
        using var certificate = OidcServer.Certificate();
        return certificate.ExportCertificatePem();
    }

    // A path on the reader's machine becomes one of this test's: a file with a certificate or a text in it, or a directory.
    private string Mount(string path)
    {
        var here = Path.Combine(mounted, path.TrimStart('/').Replace('/', '-'));
        if (path.EndsWith("keys", StringComparison.Ordinal)) Directory.CreateDirectory(here);
        else File.WriteAllText(here, path.EndsWith(".crt", StringComparison.Ordinal) ? Certificate : "Host=db;Username=broker");
        return here;
    }

    [GeneratedRegex("\"(/(?:etc|var)/[^\"]*)\"")]
    private static partial Regex MountedFile();
}
