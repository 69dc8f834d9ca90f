using System.Text.RegularExpressions;
using Broker.Tests.Docs.Blocks;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>The image can be built: today, and when more is known of what is in it.</summary>
public sealed partial class DockerfileTests
{
    [Fact]
    public void Each_stage_is_built_from_an_image_that_Microsoft_publishes()
    {
        var images = Stage().Matches(Repository.Read("Dockerfile")).Select(static stage => stage.Groups[1].Value).ToArray();

        images.Length.ShouldBe(2);
        foreach (var image in images) Published().IsMatch(image).ShouldBeTrue(image);
        images[^1].ShouldEndWith("-chiseled", Case.Sensitive, "no shell and no package manager");
    }

    /// <summary>Docker's usual builder refuses to attach them: https://docs.docker.com/build/metadata/attestations/</summary>
    [Fact]
    public void An_image_gets_its_attestations_from_a_builder_that_can_make_them()
    {
        var builds = DocumentBlock.OfToday.Append("Dockerfile").Select(static file => (File: file, Lines: Repository.Read(file).Split('\n')))
            .SelectMany(static file => file.Lines.Where(static line => line.Contains("--sbom", StringComparison.Ordinal)).Select(line => (file.File, file.Lines, Line: line))).ToArray();

        builds.Select(static build => build.File).ShouldContain("docs/operations.md");
        foreach (var (file, lines, line) in builds)
        {
            line.ShouldContain("docker buildx build ", Case.Sensitive, file);
            line.ShouldContain(" --push ", Case.Sensitive, "an image with attestations cannot be loaded into Docker's classic store");
            lines.ShouldContain(static before => before.EndsWith("docker buildx create --use --driver docker-container", StringComparison.Ordinal), file);
        }
    }

    /// <summary>A warning is an error, so an advisory of tomorrow would keep a version of today from being built.</summary>
    [Fact]
    public void What_is_known_of_packages_is_looked_up_by_CI_and_not_where_a_released_version_is_built()
    {
        var commands = Repository.Read("Dockerfile").Replace("\\\n", "", StringComparison.Ordinal).Split('\n').Where(static line => line.StartsWith("RUN dotnet ", StringComparison.Ordinal)).ToArray();

        commands.Length.ShouldBe(2);
        commands.ShouldAllBe(static command => command.Contains(" -p:NuGetAudit=false", StringComparison.Ordinal));
        Repository.Read("Directory.Build.props").ShouldContain("<NuGetAudit>true</NuGetAudit>");
        Repository.Read(".ci/run").ShouldNotContain("NuGetAudit=false");
    }

    [GeneratedRegex(@"^FROM (?:--platform=\S+ )?(\S+)", RegexOptions.Multiline)]
    private static partial Regex Stage();

    // The tags of .NET 10 on Ubuntu (https://github.com/dotnet/dotnet-docker/issues/6860): there is no chiseled SDK, and Canonical alone writes "chiselled".
    [GeneratedRegex(@"^mcr\.microsoft\.com/dotnet/(?:sdk:10\.0-noble|(?:aspnet|runtime|runtime-deps):10\.0-noble(?:-chiseled(?:-extra)?)?)$")]
    private static partial Regex Published();
}
