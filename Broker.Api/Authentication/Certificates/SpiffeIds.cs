using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Identity;

namespace Broker.Api.Authentication.Certificates;

/// <summary>SPIFFE ids: which one a caller's certificate must carry, and which one a certificate carries.</summary>
internal static partial class SpiffeIds
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly Asn1Tag Uri = new(TagClass.ContextSpecific, 6);

    /// <summary>The caller with the SPIFFE id of the certificate that its issuer also requires; null when its claims do not yield an id.</summary>
    public static Caller? Bind(IdentityIssuer issuer, Caller caller)
    {
        if (issuer.SpiffeId is not { } template) return caller;
        return Expected(template, caller) is { } id ? caller with { SpiffeId = id } : null;
    }

    /// <summary>
    /// The id that a template yields with a caller's claims; null when a claim is missing, occurs more than once, or would
    /// change the path's structure.
    /// </summary>
    public static string? Expected(string template, Caller caller)
    {
        var whole = true;
        var id = Claim().Replace(template, match =>
        {
            string[] values = [.. AllowRules.ValuesOf(match.Groups[1].Value, caller)];
            whole &= values is [{ } value] && Segment().IsMatch(value);
            return values is [{ } only] ? only : "";
        });
        return whole ? id : null;
    }

    /// <summary>Whether a certificate carries that id and no other: SPIFFE certificates carry exactly one.</summary>
    public static bool Holds(X509Certificate2 certificate, string id)
    {
        try
        {
            return certificate.Extensions[SubjectAlternativeName] is { } extension && UrisOf(extension.RawData) is [{ } only]
                && string.Equals(only, id, StringComparison.Ordinal);
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    private static List<string> UrisOf(byte[] extension)
    {
        var uris = new List<string>();
        var names = new AsnReader(extension, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
        {
            if (names.PeekTag().HasSameClassAndValue(Uri)) uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, Uri));
            else names.ReadEncodedValue();
        }

        return uris;
    }

    [GeneratedRegex(@"\{([^{}]+)\}")]
    private static partial Regex Claim();

    [GeneratedRegex(@"\A[A-Za-z0-9._-]+\z")]
    private static partial Regex Segment();
}
