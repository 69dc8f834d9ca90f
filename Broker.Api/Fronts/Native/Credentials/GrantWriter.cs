using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Api.Fronts.Native.Credentials;

/// <summary>Writes grants: the one place where a password leaves the broker in the clear.</summary>
internal static class GrantWriter
{
    // All holders of a lease that get as many connections get the same text; it lives as long as what it says.
    private static readonly ConditionalWeakTable<GrantedCredentials, byte[]> Texts = new();

    /// <summary>Writes a claim's grant.</summary>
    public static void Write(HttpResponse response, Grant grant) => JsonBody.Write(response, grant, WriteClaim);

    /// <summary>Writes a renewal's: the credentials only when the holder is to move to them.</summary>
    public static void WriteRenewal(HttpResponse response, Grant grant) => JsonBody.Write(response, grant, WriteRenewal);

    /// <summary>Writes a claim's JSON.</summary>
    public static void WriteClaim(IBufferWriter<byte> to, Grant grant)
    {
        using var json = new Utf8JsonWriter(to);
        json.WriteStartObject();
        WriteLease(json, grant);
        WriteHolder(json, grant);
        WriteCredentials(json, grant);
        json.WriteEndObject();
    }

    /// <summary>Writes a renewal's JSON, on one line.</summary>
    public static void WriteRenewal(IBufferWriter<byte> to, Grant grant)
    {
        using var json = new Utf8JsonWriter(to);
        json.WriteStartObject();
        json.WriteBoolean("rotate", grant.Overlap is not null);
        if (grant.Overlap is { } overlap) json.WriteNumber("overlapSeconds", (int)overlap.TotalSeconds);
        WriteLease(json, grant);
        WriteHolder(json, grant);
        if (grant.Overlap is not null) WriteCredentials(json, grant);
        json.WriteEndObject();
    }

    private static void WriteLease(Utf8JsonWriter json, Grant grant)
    {
        json.WriteString("role"u8, grant.Role);
        json.WriteString("database"u8, grant.Database);
        json.WriteStartObject("lease"u8);
        json.WriteString("id"u8, grant.Lease.Id);
        json.WriteString("issuedAt"u8, grant.Lease.IssuedAt);
        json.WriteString("verifiedAt"u8, grant.Lease.VerifiedAt);
        json.WriteString("expiresAt"u8, grant.Lease.ExpiresAt);
        json.WriteEndObject();
    }

    private static void WriteHolder(Utf8JsonWriter json, Grant grant)
    {
        json.WriteStartObject("holder"u8);
        json.WriteString("id"u8, grant.Holder.Id);
        json.WriteString("expiresAt"u8, grant.Holder.ExpiresAt);
        json.WriteNumber("renewAfterSeconds"u8, grant.Holder.RenewAfterSeconds);
        json.WriteEndObject();
        json.WriteNumber("connections"u8, grant.Connections);
    }

    private static void WriteCredentials(Utf8JsonWriter json, Grant grant)
    {
        json.WritePropertyName("credentials"u8);
        json.WriteRawValue(Texts.GetValue(grant.Credentials, TextOf), skipInputValidation: true);
    }

    private static byte[] TextOf(GrantedCredentials credentials)
    {
        var text = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteString("username"u8, credentials.Login.Username);
            json.WriteString("password"u8, credentials.Login.Password.Reveal());
            json.WriteString("host"u8, credentials.Host);
            json.WriteNumber("port"u8, credentials.Port);
            json.WriteString("database"u8, credentials.Database);
            json.WriteString("uri"u8, credentials.Strings.Uri);
            json.WriteString("adoNet"u8, credentials.Strings.AdoNet);
            json.WriteString("jdbc"u8, credentials.Strings.Jdbc);
            json.WriteString("go"u8, credentials.Strings.Go);
            json.WriteString("python"u8, credentials.Strings.Python);
            json.WriteEndObject();
        }

        return text.WrittenSpan.ToArray();
    }
}
