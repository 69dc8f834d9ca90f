using System.Buffers.Text;
using System.Security.Cryptography;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// The key that signs checkpoints (ECDSA): whoever can write to the audit but does not have the key cannot produce another audit that
/// verifies. Verifying needs only its public half.
/// </summary>
internal sealed class CheckpointKey : IDisposable
{
    private readonly ECDsa key;

    private CheckpointKey(ECDsa key)
    {
        this.key = key;
        Id = Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()))[..16];
    }

    /// <summary>A 16-character fingerprint of the public key.</summary>
    public string Id { get; }

    /// <summary>Reads an EC key in PEM: the private one signs, the public one only verifies.</summary>
    /// <exception cref="InvalidDataException">It is not such a key.</exception>
    public static CheckpointKey Read(string pem)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return new CheckpointKey(key);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new InvalidDataException("It is not an EC key in PEM; openssl ecparam -name prime256v1 -genkey -noout makes one.", e);
        }
    }

    public string Sign(byte[] statement) => Base64Url.EncodeToString(key.SignData(statement, HashAlgorithmName.SHA256));

    public bool Verify(byte[] statement, string signature)
    {
        try
        {
            return key.VerifyData(statement, Base64Url.DecodeFromChars(signature), HashAlgorithmName.SHA256);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return false;
        }
    }

    public void Dispose() => key.Dispose();
}
