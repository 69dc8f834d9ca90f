using System.CommandLine;
using System.CommandLine.Parsing;
using Broker.Api.Commands;
using Broker.Tests.Deployment;
using LoadTests;
using Spectre.Console;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Docs.Blocks;

/// <summary>Says what is wrong with a command of a document: our own programs' command lines read it, and what it names of ours has to be there.</summary>
internal static class DocumentedCommand
{
    private static readonly RootCommand Broker = BrokerCommands.Create(AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(TextWriter.Null) }));

    private static readonly Type[] Tests = typeof(DocumentedCommand).Assembly.GetTypes();

    /// <summary>What is wrong with it; empty: nothing.</summary>
    /// <exception cref="InvalidOperationException">Nothing is known of such a command: a test has to be written for it.</exception>
    public static IEnumerable<string> Mistakes(string[] words) => words switch
    {
        ["broker", .. var rest] => Parse(Broker, rest),
        ["dotnet", var program, .. var rest] when program.EndsWith("/broker.dll", StringComparison.Ordinal) => Parse(Broker, rest),
        ["loadtests" or "LoadTests/bench.sh" or "LoadTests/drill.sh" or "./demo.sh", ..] or ["dotnet", "loadtests.dll", ..] or ["dotnet", "run", "--project", "LoadTests", ..] => LoadTest(words),
        ["./test.sh", .. var rest] => Filters(rest),
        ["dotnet", "format", "--verify-no-changes"] => [],
        ["dotnet", "tool", "restore"] or ["dotnet", "stryker", ..] => Stryker(words),
        ["docker", "compose", .. var rest] => Compose(rest),
        ["docker", "run", .. var rest] => Run(rest),
        ["docker", "build", .. var rest] => Build(rest),
        ["docker", "buildx", "build", .. var rest] => Build(rest),
        ["docker", "buildx", "create", "--use", "--driver", "docker-container"] => [],
        ["kind", "create", "cluster"] or ["kind", "load", "docker-image", _] or ["docker", "push", _] or ["git", "rev-parse", "HEAD"] => [],
        ["kubectl", .. var rest] => Kubectl(rest),
        ["vault", "write", var path, ..] => path.StartsWith("database/roles/", StringComparison.Ordinal) || path.StartsWith("auth/kubernetes/", StringComparison.Ordinal) ? [] : [$"{path}: of what mount is it?"],
        ["vault", ..] or ["curl", ..] or ["openssl", ..] or ["hubble", ..] => [], // run, or somebody else's
        _ => throw new InvalidOperationException($"No test knows what '{string.Join(' ', words)}' does. Teach {nameof(DocumentedCommand)}."),
    };

    private static IEnumerable<string> LoadTest(string[] words)
    {
        string[] arguments = words switch
        {
            ["./demo.sh", .. var rest] => ["demo", .. rest],
            ["LoadTests/bench.sh", .. var rest] => ["bench", .. rest],
            ["LoadTests/drill.sh", .. var rest] => ["drill", .. rest],
            ["dotnet", "run", "--project", "LoadTests", "-c", "Release", "--", .. var rest] => rest,
            ["dotnet", "run", ..] => ["--unknown"],
            ["dotnet", _, .. var rest] => rest,
            _ => words[1..],
        };
        return Parse(LoadTestCommands.Create(arguments.FirstOrDefault()), arguments);
    }

    // A file of the reader's is not here.
    private static IEnumerable<string> Parse(RootCommand root, string[] words) =>
        root.Parse(words, BrokerCommands.Parsing).Errors.Select(static error => error.Message).Where(static message => !message.StartsWith("File does not exist: '", StringComparison.Ordinal));

    private static IEnumerable<string> Filters(string[] words)
    {
        for (var at = 0; at < words.Length; at++)
        {
            switch (words[at])
            {
                case "--quick" when at == 0:
                    break;
                case "--filter-class" or "--filter-namespace" when at + 1 < words.Length:
                    var (wanted, isClass) = (words[++at], words[at - 1] == "--filter-class");
                    if (!Tests.Any(type => Matches(isClass ? type.FullName! : type.Namespace ?? "", wanted))) yield return $"There are no tests {wanted}.";
                    break;
                default:
                    yield return $"test.sh has no {words[at]}.";
                    break;
            }
        }
    }

    private static bool Matches(string name, string wanted) =>
        wanted.StartsWith('*') ? name.EndsWith(wanted[1..], StringComparison.Ordinal) : name == wanted;

    private static IEnumerable<string> Stryker(string[] words)
    {
        if (!Repository.Read(".config/dotnet-tools.json").Contains("\"dotnet-stryker\"", StringComparison.Ordinal)) yield return "The tool is not restored.";
        foreach (var file in words.SkipWhile(static word => word != "-f").Skip(1).Take(1).Where(static file => !File.Exists(Repository.PathOf($"Broker.Tests/{file}")))) yield return $"There is no {file}.";
        foreach (var mutated in words.SkipWhile(static word => word != "-m").Skip(1).Take(1))
        {
            var name = mutated.Replace("**/", "", StringComparison.Ordinal);
            if (Directory.GetFiles(Repository.PathOf("Broker.Core"), name, SearchOption.AllDirectories).Length == 0) yield return $"There is no {name}.";
        }
    }

    // No engine is here: verbs and options that were looked at by people, and services that there are.
    private static IEnumerable<string> Compose(string[] words)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read(DocumentBlock.Compose)));
        var services = ((YamlMappingNode)yaml.Documents[0].RootNode["services"]).Children.Keys.Select(static key => key.ToString()).ToHashSet();
        string[] plain = [.. words.Where(static word => !word.StartsWith('-'))];
        string[] options = [.. words[1..].TakeWhile(word => !services.Contains(word)).Where(static word => word.StartsWith('-'))];
        var known = plain[0] switch
        {
            "up" => ["--build", "--detach"],
            "run" => new[] { "--rm", "-T" },
            "exec" or "logs" or "down" => [],
            _ => throw new InvalidOperationException($"No test knows docker compose {plain[0]}."),
        };
        foreach (var option in options.Except(known)) yield return $"docker compose {plain[0]} {option}: teach the test that this is one.";
        if (plain[0] is "run" or "exec" && !services.Contains(plain[1])) yield return $"docker-compose.yml has no service {plain[1]}.";
        if (plain is ["exec", _, "dotnet", "broker.dll", .. var verb]) foreach (var mistake in Parse(Broker, [.. words.SkipWhile(word => word != verb[0])])) yield return mistake;
    }

    private static IEnumerable<string> Run(string[] words)
    {
        var image = Repository.Read("Dockerfile");
        var mounts = new[] { "/app/config/", "/etc/broker/", "/var/lib/broker/keys", "/var/lib/broker/data" };
        for (var at = 0; at < words.Length; at++)
        {
            var value = at + 1 < words.Length ? words[at + 1] : "";
            switch (words[at])
            {
                case "-p" when !image.Split('\n').Any(line => line.StartsWith("EXPOSE", StringComparison.Ordinal) && line.Split(' ').Contains(value.Split(':')[1])):
                    yield return $"The image does not listen at {value}.";
                    break;
                case "-v" when !mounts.Any(mount => value.Split(':')[1].StartsWith(mount, StringComparison.Ordinal)):
                    yield return $"Nothing reads {value}.";
                    break;
                case "-v" when value.Split(':')[1].StartsWith("/var", StringComparison.Ordinal) && !image.Contains($" {value.Split(':')[1]}\n", StringComparison.Ordinal):
                    yield return $"The image's user may not write to {value}.";
                    break;
                case "-e" when value.Split('=')[0] is not ("ASPNETCORE_HTTP_PORTS" or "ASPNETCORE_HTTPS_PORTS" or "BROKER_CONFIG" or "BROKER_ADDR" or "BROKER_TOKEN" or "SSL_CERT_FILE" or "Logging__Console__LogToStandardErrorThreshold"):
                    yield return $"The image reads no {value}.";
                    break;
            }
        }

        // Behind the image are the words of a command.
        var verb = words.SkipWhile(static word => !word.StartsWith("broker:", StringComparison.Ordinal)).ToArray();
        if (verb is not [var named, ..] || named != $"broker:{Version()}") yield return $"The image is broker:{Version()}.";
        if (verb.Length > 1) foreach (var mistake in Parse(Broker, verb[1..])) yield return mistake;
    }

    private static IEnumerable<string> Build(string[] words)
    {
        foreach (var argument in words.Where((_, at) => at > 0 && words[at - 1] == "--build-arg").Where(static word => !Repository.Read("Dockerfile").Contains($"ARG {word.Split('=')[0]}=", StringComparison.Ordinal))) yield return $"Dockerfile has no {argument}.";
        if (!words.Contains($"VERSION={Version()}")) yield return $"The version is {Version()}.";
    }

    // Secrets are made for real, without a cluster (stand-in.sh); ShellBlocksTests looks for them in the manifests.
    private static IEnumerable<string> Kubectl(string[] words)
    {
        if (words is [.., "-k", var folder] && folder.StartsWith("k8s/", StringComparison.Ordinal) && !File.Exists(Repository.PathOf($"{folder}/kustomization.yaml"))) yield return $"There is no {folder}.";
        foreach (var made in words.Where(static word => word.StartsWith("--from=cronjob/", StringComparison.Ordinal) && !Repository.Read("k8s/components/openshift/scraper.yaml").Contains($"kind: CronJob\nmetadata:\n  name: {word.Split('/')[1]}\n", StringComparison.Ordinal))) yield return $"There is no {made}.";
        if (words.SkipWhile(static word => word != "--").Skip(1).ToArray() is ["dotnet", "broker.dll", .. var verb]) foreach (var mistake in Parse(Broker, verb)) yield return mistake;
    }

    private static string Version() => System.Xml.Linq.XDocument.Load(Repository.PathOf("Directory.Build.props")).Descendants("Version").Single().Value;
}
