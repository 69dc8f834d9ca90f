using System.Text;
using MySqlConnector.Authentication;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// MariaDB's authentication by <c>ed25519</c>: the client signs a text from the server. MariaDB uses the password itself as the
/// seed of the key (https://mariadb.com/kb/en/connection/#client_ed25519-plugin), and a seed has 32 bytes: the signature is the
/// standard's (RFC 8032) for passwords of just that length, as those of the built-in issuer are.
/// </summary>
internal sealed class Ed25519Login : IAuthenticationPlugin3
{
    /// <inheritdoc/>
    public string Name => "client_ed25519";

    /// <summary>Registers it with the driver, for the whole process; once is enough.</summary>
    public static void Register() => AuthenticationPlugins.Register(new Ed25519Login());

    /// <inheritdoc/>
    public byte[] CreateResponse(string password, ReadOnlySpan<byte> authenticationData)
    {
        CreateResponseAndPasswordHash(password, authenticationData, out var response, out _);
        return response;
    }

    /// <summary>The server keeps a hash of the password, which is the public key.</summary>
    /// <inheritdoc/>
    public void CreateResponseAndPasswordHash(string password, ReadOnlySpan<byte> authenticationData, out byte[] authenticationResponse, out byte[] passwordHash)
    {
        var seed = Encoding.UTF8.GetBytes(password);
        if (seed.Length != Ed25519PrivateKeyParameters.KeySize)
            throw new NotSupportedException($"An ed25519 login is tried with passwords of {Ed25519PrivateKeyParameters.KeySize} bytes only; this one has {seed.Length}.");
        var key = new Ed25519PrivateKeyParameters(seed);
        var signer = new Ed25519Signer();
        signer.Init(forSigning: true, key);
        signer.BlockUpdate(authenticationData);
        (authenticationResponse, passwordHash) = (signer.GenerateSignature(), key.GeneratePublicKey().GetEncoded());
    }
}
