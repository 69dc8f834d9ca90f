using System.Text.RegularExpressions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>What the image is built from can be pulled.</summary>
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

    [GeneratedRegex(@"^FROM (?:--platform=\S+ )?(\S+)", RegexOptions.Multiline)]
    private static partial Regex Stage();

    // The tags of .NET 10 on Ubuntu (https://github.com/dotnet/dotnet-docker/issues/6860): there is no chiseled SDK, and Canonical alone writes "chiselled".
    [GeneratedRegex(@"^mcr\.microsoft\.com/dotnet/(?:sdk:10\.0-noble|(?:aspnet|runtime|runtime-deps):10\.0-noble(?:-chiseled(?:-extra)?)?)$")]
    private static partial Regex Published();
}
