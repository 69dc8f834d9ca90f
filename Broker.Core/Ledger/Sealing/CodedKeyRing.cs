using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Sealing;

/// <summary>
/// Sealing keys in a place where others may write too, each with a code that only the brokers can make (HMAC-SHA-256): a key that somebody else put
/// there would open what that person seals. Elements without a valid code are ignored and logged. Those with one are remembered, so that a place
/// that lost them gets them back (law L8): other keys in their stead would open nothing that the replicas have sealed.
/// </summary>
/// <param name="where">The name of the place, for messages.</param>
/// <param name="code">The key of the codes; never in that place.</param>
/// <param name="log">Names invalid elements.</param>
/// <param name="settling">How long an empty place is not believed to be new: replicas that remember keys put them back meanwhile. Zero: nobody else could.</param>
/// <param name="time">Measures that.</param>
internal abstract class CodedKeyRing(string where, byte[] code, ILogger log, TimeSpan settling, TimeProvider time) : IXmlRepository
{
    private const char Separator = '|';

    private readonly Lock gate = new();
    private readonly List<string> remembered = [];
    private long? emptySince;
    private int strangeSaid;

    /// <inheritdoc/>
    /// <exception cref="LedgerException">The place cannot be read, or is empty and may get its keys back.</exception>
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        lock (gate)
        {
            Learn();
            if (remembered.Count == 0 && time.GetElapsedTime(emptySince ??= time.GetTimestamp()) < settling)
                throw new LedgerException($"There are no sealing keys ({where}). If replicas know some, they put them back now; if none does, new ones are made in a moment.");
            return [.. remembered.Select(static text => XElement.Parse(text[(text.IndexOf(Separator, StringComparison.Ordinal) + 1)..]))];
        }
    }

    /// <inheritdoc/>
    /// <exception cref="LedgerException">The place cannot be written.</exception>
    public void StoreElement(XElement element, string friendlyName)
    {
        var xml = element.ToString(SaveOptions.DisableFormatting);
        lock (gate) Append(CodeOf(xml) + Separator + xml);
    }

    /// <summary>Puts back what the place has lost of the keys that this replica has read or made.</summary>
    /// <exception cref="LedgerException">The place cannot be read or written: call this again.</exception>
    public void PutBack()
    {
        lock (gate)
        {
            var there = Learn();
            string[] lost = [.. remembered.Where(text => !there.Contains(text))];
            foreach (var text in lost) Append(text);
            if (lost.Length > 0) log.KeysPutBack(lost.Length, where);
        }
    }

    /// <summary>All that is in the place, in its order.</summary>
    protected abstract IEnumerable<string> Read();

    /// <summary>Adds a text to it.</summary>
    protected abstract void Append(string text);

    // What is there; of that, what a broker wrote is remembered, once: several replicas may have put it back.
    private HashSet<string> Learn()
    {
        string[] all = [.. Read()];
        var there = all.ToHashSet(StringComparer.Ordinal);
        var known = remembered.ToHashSet(StringComparer.Ordinal);
        remembered.AddRange(there.Where(text => !known.Contains(text) && IsOfBrokers(text)));
        known.UnionWith(remembered);
        var strange = all.Count(text => !known.Contains(text));
        if (strange > 0 && strange != strangeSaid) log.StrangeKeys(strange, where);
        strangeSaid = strange;
        return there;
    }

    private bool IsOfBrokers(string text) =>
        text.IndexOf(Separator, StringComparison.Ordinal) is var at and >= 0
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text[..at]), Encoding.UTF8.GetBytes(CodeOf(text[(at + 1)..])));

    private string CodeOf(string xml) => Base64Url.EncodeToString(HMACSHA256.HashData(code, Encoding.UTF8.GetBytes(xml)));
}
