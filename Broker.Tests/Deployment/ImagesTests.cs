using System.Text.RegularExpressions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>Whatever is pulled is pulled in a version that somebody chose.</summary>
public sealed partial class ImagesTests
{
    public static TheoryData<string> Files =>
    [
        "Dockerfile", "docker-compose.yml",
        .. Directory.GetFiles(Repository.PathOf("k8s"), "*.yaml", SearchOption.AllDirectories)
            .Select(static file => Path.GetRelativePath(Repository.PathOf(""), file)).Where(static file => Image().IsMatch(Repository.Read(file))).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void Each_image_has_a_version(string file)
    {
        var images = Image().Matches(Repository.Read(file)).Select(static image => image.Groups[1].Value).ToArray();

        images.ShouldNotBeEmpty();
        // The one that compose builds itself is never pulled (ComposeTests).
        foreach (var image in images.Where(static image => image != "broker:dev")) Version().IsMatch(image).ShouldBeTrue($"{file}: {image}");
    }

    [GeneratedRegex(@"^(?:FROM (?:--platform=\S+ )?|# syntax=|\s*(?:- )?image: )(\S+)", RegexOptions.Multiline)]
    private static partial Regex Image();

    [GeneratedRegex(@":v?\d[\w.-]*$")]
    private static partial Regex Version();
}
