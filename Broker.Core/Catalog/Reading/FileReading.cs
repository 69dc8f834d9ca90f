using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

/// <summary>
/// Reads values that are files, or may be in files. Neither a file's content nor its
/// name is quoted in an error: writing a secret where its file's name belongs is a common mistake.
/// </summary>
internal static class FileReading
{
    private const string MendFile = "Name a file that exists and that the broker's user can read.";

    /// <summary>A secret: the value itself or <c>…File</c>, exactly one; null when there is neither and it is not required.</summary>
    public static SecretSource? SecretSource(this SectionReader reader, string key, bool required, string? defaultFile = null)
    {
        var fileKey = $"{key}File";
        var value = reader.Text(key);
        var file = reader.Text(fileKey);
        if (value is not null && file is not null)
        {
            reader.Error(key, $"is set beside {fileKey}.", "Keep one of the two.");
            return null;
        }

        if (value is not null) return new SecretSource(new Secret(value), null);
        file ??= defaultFile;
        if (file is null)
        {
            if (required) reader.Error(key, "is missing.", $"Set it, or {fileKey} to the file that holds it.");
            return null;
        }

        return reader.Content(fileKey, file) is null ? null : new SecretSource(null, file);
    }

    /// <summary>Like <see cref="SecretSource"/>, but read now.</summary>
    public static Secret? Secret(this SectionReader reader, string key, bool required)
    {
        if (reader.SecretSource(key, required) is not { } source) return null;
        if (source.Value is not null) return source.Value;
        reader.Took(source.File!);
        return reader.Content($"{key}File", source.File!) is { } text ? new Secret(text) : null;
    }

    /// <summary>The path of a readable, non-empty file; null when the key is missing or the file is invalid (noted).</summary>
    public static string? ReadableFile(this SectionReader reader, string key, string? defaultFile = null) =>
        (reader.Text(key) ?? defaultFile) is { } file && reader.Content(key, file) is not null ? file : null;

    /// <summary>The path of a PEM file with at least one certificate.</summary>
    public static string? CertificateFile(this SectionReader reader, string key, string? defaultFile = null)
    {
        if (reader.ReadableFile(key, defaultFile) is not { } file) return null;
        try
        {
            var certificates = new X509Certificate2Collection();
            certificates.ImportFromPemFile(file);
            if (certificates.Count > 0) return file;
        }
        catch (CryptographicException)
        {
            // Reported below, together with a file that has no certificate.
        }

        reader.Error(key, "holds no certificate in PEM.", "Name a PEM file with -----BEGIN CERTIFICATE-----.");
        return null;
    }

    /// <summary>The path of a file with a private key that needs no password.</summary>
    public static string? PrivateKeyFile(this SectionReader reader, string key)
    {
        if (reader.ReadableFile(key) is not { } file) return null;
        // PKCS#8 says so in its first line, older formats in their second.
        if (reader.Content(key, file)?.Contains("ENCRYPTED", StringComparison.Ordinal) == true)
            reader.Error(key, "holds an encrypted key, and there is no setting for its password.", "Decrypt it with openssl pkey -in KEY -out PLAIN, into a file that only the broker's user can read.");
        return file;
    }

    /// <summary>The path of a file with a JSON Web Key Set.</summary>
    public static string? KeySetFile(this SectionReader reader, string key)
    {
        if (reader.Text(key) is not { } file || reader.Content(key, file) is not { } text) return null;
        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("keys", out var keys)
                && keys.ValueKind == JsonValueKind.Array)
                return file;
        }
        catch (JsonException)
        {
            // Reported below, together with JSON of another kind.
        }

        reader.Error(key, "holds no JSON Web Key Set.", "Name a file like { \"keys\": [ … ] }.");
        return null;
    }

    private static string? Content(this SectionReader reader, string key, string file)
    {
        try
        {
            var text = File.ReadAllText(file).Trim();
            if (text.Length > 0) return text;
            reader.Error(key, "names an empty file.", "Write the value into it.");
        }
        catch (FileNotFoundException)
        {
            reader.Error(key, "names a file that does not exist.", MendFile);
        }
        catch (DirectoryNotFoundException)
        {
            reader.Error(key, "names a file in a directory that does not exist.", MendFile);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            reader.Error(key, $"names a file that cannot be read ({error.GetType().Name}).", MendFile);
        }

        return null;
    }
}
