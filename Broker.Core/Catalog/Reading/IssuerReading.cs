using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

internal static class IssuerReading
{
    private const string ServiceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    private static readonly SecretSource Missing = new(new Secret("missing"), null);

    private enum Kind
    {
        Vault,
        BuiltIn,
    }

    private enum Method
    {
        Token,
        AppRole,
        Kubernetes,
    }

    /// <summary>The issuer, or null when not even its kind is known.</summary>
    public static IssuerDefinition? Read(string name, SectionReader reader)
    {
        if (!reader.Has("Kind")) reader.Error("Kind", "is missing.", "Write Vault or BuiltIn.");
        IssuerDefinition? issuer;
        switch (reader.Choice<Kind>("Kind"))
        {
            case Kind.BuiltIn:
                issuer = new BuiltInIssuerDefinition(name);
                break;
            case Kind.Vault:
                issuer = Vault(name, reader);
                break;
            default:
                return null;
        }

        reader.RefuseUnknownKeys();
        return issuer;
    }

    private static VaultIssuerDefinition Vault(string name, SectionReader reader)
    {
        var insecure = reader.Flag("AllowInsecureTransport", false);
        return new VaultIssuerDefinition(name)
        {
            Address = reader.ServerAddress("Address", "Write Vault's address, e.g. https://vault:8200.", insecure,
                " Or set AllowInsecureTransport if nobody can listen on the way.") ?? new Uri("https://missing"),
            Namespace = reader.Text("Namespace"),
            CaFile = reader.CertificateFile("CaFile"),
            AllowInsecureTransport = insecure,
            Auth = Auth(reader.Child("Auth")),
            Timeout = reader.Duration("Timeout", TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(2)),
        };
    }

    private static VaultAuth Auth(SectionReader reader)
    {
        if (!reader.Has("Method")) reader.Error("Method", "is missing.", $"Write one of {string.Join(", ", Enum.GetNames<Method>())}.");
        VaultAuth auth;
        switch (reader.Choice<Method>("Method"))
        {
            case Method.Token:
                auth = new VaultTokenAuth(reader.SecretSource("Token", required: true) ?? Missing);
                break;
            case Method.AppRole:
                auth = new VaultAppRoleAuth(
                    reader.RequiredText("RoleId", "Write the role id of the AppRole."),
                    reader.SecretSource("SecretId", required: true) ?? Missing,
                    Mount(reader, "approle"));
                break;
            case Method.Kubernetes:
                auth = new VaultKubernetesAuth(
                    reader.RequiredText("Role", "Write the role of Vault's Kubernetes auth method."),
                    reader.SecretSource("Token", required: true, defaultFile: ServiceAccountToken) ?? Missing,
                    Mount(reader, "kubernetes"));
                break;
            default:
                return new VaultTokenAuth(Missing);
        }

        reader.RefuseUnknownKeys();
        return auth;
    }

    private static string Mount(SectionReader reader, string fallback)
    {
        var mount = (reader.Text("Mount") ?? fallback).Trim('/');
        if (!VaultPaths.IsPath(mount))
            reader.Error("Mount", "is not a mount path.", $"Write it without auth/, e.g. {fallback}.");
        return mount;
    }
}
