using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Sealing;

/// <summary>
/// Sealing keys in a place where others may write too, each with a code that only the brokers can make (HMAC-SHA-256): a key that somebody else put
/// there would open what that person seals. Elements without a valid code are ignored and logged.
/// </summary>
/// <param name="where">The name of the place, for messages.</param>
/// <param name="code">The key of the codes; never in that place.</param>
/// <param name="log">Names invalid elements.</param>
internal abstract class CodedKeyRing(string where, byte[] code, ILogger log) : IXmlRepository
{
    private const char Separator = '|';

    /// <inheritdoc/>
    /// <exception cref="LedgerException">The place cannot be read.</exception>
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        var elements = new List<XElement>();
        var strange = 0;
        foreach (var text in Read())
        {
            if (Open(text) is { } element) elements.Add(element);
            else strange++;
        }

        if (strange > 0) log.StrangeKeys(strange, where);
        return elements;
    }

    /// <inheritdoc/>
    /// <exception cref="LedgerException">The place cannot be written.</exception>
    public void StoreElement(XElement element, string friendlyName)
    {
        var xml = element.ToString(SaveOptions.DisableFormatting);
        Append(CodeOf(xml) + Separator + xml);
    }

    /// <summary>All that is in the place, in its order.</summary>
    protected abstract IEnumerable<string> Read();

    /// <summary>Adds a text to it.</summary>
    protected abstract void Append(string text);

    private XElement? Open(string text)
    {
        var at = text.IndexOf(Separator, StringComparison.Ordinal);
        if (at < 0) return null;
        var xml = text[(at + 1)..];
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text[..at]), Encoding.UTF8.GetBytes(CodeOf(xml))) ? XElement.Parse(xml) : null;
    }

    private string CodeOf(string xml) => Base64Url.EncodeToString(HMACSHA256.HashData(code, Encoding.UTF8.GetBytes(xml)));
}
