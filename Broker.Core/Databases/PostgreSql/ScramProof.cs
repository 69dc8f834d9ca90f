using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// A client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding: the password is proven and never sent, and the server
/// proves that it knows it too.
/// </summary>
internal sealed class ScramProof(string password)
{
    /// <summary>More iterations than any server asks for, so that a stranger's server cannot keep the broker computing.</summary>
    private const int MostIterations = 1_000_000;

    private readonly string nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
    private byte[] expected = [];
    private string? verifier;

    private string FirstBare => $"n=,r={nonce}";

    /// <summary>The client's first message. PostgreSQL and PgBouncer take the user from the start of the connection.</summary>
    public string First => "n,," + FirstBare;

    /// <summary>
    /// Exactly what the server keeps of the password: it sent its salt and iterations, and proved the rest (<see cref="IsOfServer"/>).
    /// </summary>
    public string Verifier => verifier ?? throw new InvalidOperationException("Nothing has been proven yet.");

    /// <summary>The client's last message.</summary>
    /// <exception cref="FormatException">The server's first message is invalid, or answers somebody else.</exception>
    public string Last(string serverFirst)
    {
        var parts = serverFirst.Split(',');
        if (parts.Length < 3 || !parts[0].StartsWith("r=" + nonce, StringComparison.Ordinal) || !parts[1].StartsWith("s=", StringComparison.Ordinal)
            || !int.TryParse(parts[2].AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < 1 or > MostIterations)
            throw new FormatException("its SCRAM challenge cannot be answered");
        var withoutProof = $"c=biws,{parts[0]}";
        var all = Encoding.UTF8.GetBytes($"{FirstBare},{serverFirst},{withoutProof}");
        var salt = Convert.FromBase64String(parts[1][2..]);
        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), salt, iterations, HashAlgorithmName.SHA256, 32);
        verifier = PasswordVerifier.Scram(salted, salt, iterations);
        var proof = HMACSHA256.HashData(salted, "Client Key"u8);
        var signature = HMACSHA256.HashData(SHA256.HashData(proof), all);
        for (var i = 0; i < proof.Length; i++) proof[i] ^= signature[i];
        expected = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), all);
        return $"{withoutProof},p={Convert.ToBase64String(proof)}";
    }

    /// <summary>Whether the server's last message proves that it knows the password.</summary>
    public bool IsOfServer(string serverLast) =>
        expected.Length > 0 && serverLast.StartsWith("v=", StringComparison.Ordinal)
        && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(serverLast[2..]), Encoding.ASCII.GetBytes(Convert.ToBase64String(expected)));
}
