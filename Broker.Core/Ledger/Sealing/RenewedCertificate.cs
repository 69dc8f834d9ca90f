using System.Security.Cryptography.X509Certificates;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;

namespace Broker.Core.Ledger.Sealing;

/// <summary>
/// Keys that were encrypted to an earlier certificate of the same private key, which opens them still. Each names the certificate that it was
/// encrypted to, and is only opened with that one: here it names the present one.
/// </summary>
/// <param name="keys">The keys, all of them encrypted to a certificate of this private key.</param>
/// <param name="certificate">The present certificate.</param>
internal sealed class RenewedCertificate(IXmlRepository keys, X509Certificate2 certificate) : IXmlRepository
{
    private static readonly XName Named = XName.Get("X509Certificate", "http://www.w3.org/2000/09/xmldsig#");

    private readonly string present = Convert.ToBase64String(certificate.RawData);

    /// <inheritdoc/>
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        var elements = keys.GetAllElements();
        foreach (var named in elements.Descendants(Named)) named.Value = present;
        return elements;
    }

    /// <inheritdoc/>
    public void StoreElement(XElement element, string friendlyName) => keys.StoreElement(element, friendlyName);
}
