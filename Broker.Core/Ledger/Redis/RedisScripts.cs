using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Ledger.Redis;

/// <summary>How Redis names scripts.</summary>
internal static class RedisScripts
{
    /// <summary>The name of a script that Redis has in its memory.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "Redis names scripts by their SHA-1; nothing is protected by it.")]
    public static byte[] HashOf(string script) => SHA1.HashData(Encoding.UTF8.GetBytes(script));
}
