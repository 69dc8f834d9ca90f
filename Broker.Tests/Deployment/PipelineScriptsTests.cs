using System.Diagnostics;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>The pipelines' scripts, run in bash with a broker that is stood for.</summary>
public sealed class PipelineScriptsTests : IDisposable
{
    // Answers as the broker does; what ends something is refused, as while the ledger is away. The first sleep is short, all others are not.
    private const string Curl = """
        #!/bin/bash
        printf '%s\n' "$*" >> calls
        case "$*" in
          *DELETE*) echo '{"status": 503}'; echo 'curl: (22) The requested URL returned error: 503' >&2; exit 22 ;;
          *audience=broker*) echo '{"value": "own"}' ;;
          */renew*) [ -e renewed ] || { touch renewed; exit 22; }; echo '{}' ;;
          */credentials*) echo '{"holder": {"id": "orders-migrations.0123456789abcdef0123456789ab"}, "credentials": {"uri": "postgresql://u:p@db/orders"}}' ;;
          */sessions*) echo '{"id": "sessionsessionid", "token": "brs_token"}' ;;
        esac
        """;

    private const string Sleep = """
        #!/bin/bash
        [ "$(grep -c /renew calls)" -ge 4 ] && exec /bin/sleep 2
        exec /bin/sleep 0.05
        """;

    private readonly string work = Directory.CreateTempSubdirectory("broker-pipeline-").FullName;

    public PipelineScriptsTests()
    {
        Put("curl", Curl);
        Put("sleep", Sleep);
    }

    public static TheoryData<string> Pipelines => ConsumersTests.Pipelines;

    public void Dispose() => Directory.Delete(work, recursive: true);

    [Theory]
    [MemberData(nameof(Pipelines))]
    public async Task A_migration_that_is_done_is_not_shown_as_failed_where_its_session_cannot_be_ended(string file)
    {
        Put("migrate.sh", "#!/bin/bash\necho \"$DATABASE_URL\" > migrated");

        (await RunAsync(file)).ShouldBe(0);

        Text("migrated").Trim().ShouldBe("postgresql://u:p@db/orders");
        Text("calls").ShouldContain("--request DELETE https://broker.example/api/v1/sessions/sessionsessionid");
    }

    [Theory]
    [MemberData(nameof(Pipelines))]
    public async Task A_migration_that_fails_is_shown_as_failed(string file)
    {
        Put("migrate.sh", "#!/bin/bash\nexit 7");

        (await RunAsync(file)).ShouldBe(7);

        Text("calls").ShouldContain("--request DELETE ");
    }

    /// <summary>The first renewal is refused, and tried again.</summary>
    [Theory]
    [MemberData(nameof(Pipelines))]
    public async Task A_long_migration_keeps_its_session_and_its_holder(string file)
    {
        Put("migrate.sh", """
            #!/bin/bash
            for ((i = 0; i < 200; i++)); do
              [ "$(grep -c sessions/sessionsessionid/renew calls)" -ge 2 ] && [ "$(grep -c holders/orders-migrations.0123456789abcdef0123456789ab/renew calls)" -ge 2 ] && exit 0
              /bin/sleep 0.05
            done
            echo "Nothing renews." >&2
            exit 1
            """);

        (await RunAsync(file)).ShouldBe(0);
    }

    private async Task<int> RunAsync(string file)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", Script(file)]) { WorkingDirectory = work, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{work}:{start.Environment["PATH"]}";
        foreach (var (name, value) in new[] { ("BROKER", "https://broker.example"), ("BROKER_TOKEN", "own"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"), ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github.example/?v=1") })
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine(await output + await errors);
        return process.ExitCode;
    }

    // The one text in the file that is more than a line.
    private static string Script(string file)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read($"k8s/consumers/{file}")));
        return yaml.Documents[0].AllNodes.OfType<YamlScalarNode>().Select(static node => node.Value!).Single(static text => text.Contains('\n', StringComparison.Ordinal));
    }

    private string Text(string file) => File.ReadAllText(Path.Combine(work, file));

    private void Put(string file, string text)
    {
        var path = Path.Combine(work, file);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
