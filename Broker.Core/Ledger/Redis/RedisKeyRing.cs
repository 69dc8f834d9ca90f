using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// The sealing keys in Redis, each behind a code that only the brokers can make (HMAC-SHA-256): a key that anybody else put there
/// would open what he seals himself. What has no such code is passed over and named in the log.
/// </summary>
/// <param name="redis">The connection.</param>
/// <param name="code">The key of the codes; never in Redis.</param>
/// <param name="log">Where strange elements are named.</param>
internal sealed class RedisKeyRing(RedisConnection redis, byte[] code, ILogger<RedisKeyRing> log) : IXmlRepository
{
    private const char Separator = '|';

    private readonly string name = redis.Prefix + ":sealing-keys";

    /// <inheritdoc/>
    /// <exception cref="LedgerException">Redis does not answer.</exception>
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        var elements = new List<XElement>();
        var strange = 0;
        foreach (string? text in Guarded(database => database.ListRange(name, flags: CommandFlags.DemandMaster)))
        {
            if (Open(text ?? "") is { } element) elements.Add(element);
            else strange++;
        }

        if (strange > 0) log.StrangeKeys(strange, name);
        return elements;
    }

    /// <inheritdoc/>
    /// <exception cref="LedgerException">Redis does not answer.</exception>
    public void StoreElement(XElement element, string friendlyName)
    {
        var xml = element.ToString(SaveOptions.DisableFormatting);
        Guarded(database => database.ListRightPush(name, CodeOf(xml) + Separator + xml));
    }

    private XElement? Open(string text)
    {
        var at = text.IndexOf(Separator, StringComparison.Ordinal);
        if (at < 0) return null;
        var xml = text[(at + 1)..];
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text[..at]), Encoding.UTF8.GetBytes(CodeOf(xml))) ? XElement.Parse(xml) : null;
    }

    private string CodeOf(string xml) => Base64Url.EncodeToString(HMACSHA256.HashData(code, Encoding.UTF8.GetBytes(xml)));

    private T Guarded<T>(Func<IDatabase, T> call)
    {
        try
        {
            return call(redis.Database);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            throw new LedgerException($"Redis does not give the sealing keys ({name}): {e.Message}", e);
        }
    }
}
