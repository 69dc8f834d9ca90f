using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;

namespace Broker.Api.Page;

/// <summary>One of the page's files, embedded in the assembly.</summary>
/// <param name="ContentType">Its type.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="ETag">Derived from the content, so that a browser that asks again is told "unchanged" until a new version runs.</param>
internal sealed record PageAsset(string ContentType, ReadOnlyMemory<byte> Content, EntityTagHeaderValue ETag)
{
    /// <summary>The page's files by the path they are served at.</summary>
    public static readonly FrozenDictionary<string, PageAsset> All = new Dictionary<string, PageAsset>
    {
        ["/page.css"] = Load("page.css", "text/css; charset=utf-8"),
        ["/page.js"] = Load("page.js", "text/javascript; charset=utf-8"),
    }.ToFrozenDictionary();

    private static PageAsset Load(string name, string contentType)
    {
        using var resource = typeof(PageAsset).Assembly.GetManifestResourceStream($"page/{name}")
            ?? throw new InvalidOperationException($"The page's {name} is not in the assembly.");
        var content = new byte[resource.Length];
        resource.ReadExactly(content);
        return new PageAsset(contentType, content, new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content)[..12])}\""));
    }
}
