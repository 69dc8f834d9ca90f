using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Broker.Core.Leases;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;

namespace Broker.Api.Fronts.Native.Credentials;

/// <summary>Writes grants: the one place where a password leaves the broker in the clear.</summary>
internal static class GrantWriter
{
    // All holders of a lease with the same number of connections get the same text except for their names; it is cached as long as the credentials live.
    private static readonly ConditionalWeakTable<GrantedCredentials, HolderSlot> Texts = new();

    // People read these answers, so an ampersand in an address stays one. Browsers never render them as a page (nosniff).
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a claim's grant.</summary>
    public static void Write(HttpResponse response, Grant grant) => JsonBody.Write(response, grant, WriteClaim);

    /// <summary>Writes a renewal's grant: with credentials only when the holder has to move to them.</summary>
    public static void WriteRenewal(HttpResponse response, Grant grant) => JsonBody.Write(response, grant, WriteRenewal);

    /// <summary>Writes a claim's JSON.</summary>
    public static void WriteClaim(IBufferWriter<byte> to, Grant grant)
    {
        using (var json = new Utf8JsonWriter(to, Readable))
        {
            json.WriteStartObject();
            WriteLease(json, grant);
            WriteHolder(json, grant);
            if (grant.FewerBecause is { } why) json.WriteString("fewerBecause"u8, why);
            json.WritePropertyName("credentials"u8);
        }

        WriteCredentialsAndEnd(to, grant);
    }

    /// <summary>Writes a renewal's JSON, on one line.</summary>
    public static void WriteRenewal(IBufferWriter<byte> to, Grant grant)
    {
        using (var json = new Utf8JsonWriter(to, Readable))
        {
            json.WriteStartObject();
            json.WriteBoolean("rotate", grant.Overlap is not null);
            if (grant.Overlap is { } overlap) json.WriteNumber("overlapSeconds", (int)overlap.TotalSeconds);
            WriteLease(json, grant);
            WriteHolder(json, grant);
            if (grant.Allotment is { } allotment) json.WriteNumber("allotment"u8, allotment);
            if (grant.Overlap is null)
            {
                json.WriteEndObject();
                return;
            }

            json.WritePropertyName("credentials"u8);
        }

        WriteCredentialsAndEnd(to, grant);
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

    // Straight into the buffer: through the JSON writer the text, of some 5 kB, would be copied once more.
    private static void WriteCredentialsAndEnd(IBufferWriter<byte> to, Grant grant)
    {
        var text = Texts.GetValue(grant.Credentials, TextOf);
        to.Advance(text.Write(grant.Holder.Caller, grant.Holder.Id, to.GetSpan(text.Longest)));
        to.Write("}"u8);
    }

    private static HolderSlot TextOf(GrantedCredentials credentials)
    {
        var text = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(text, Readable))
        {
            var strings = credentials.Strings;
            json.WriteStartObject();
            json.WriteString("username"u8, credentials.Login.Username);
            json.WriteString("password"u8, credentials.Login.Password.Reveal());
            json.WriteString("host"u8, strings.Servers[0].Host);
            json.WriteNumber("port"u8, strings.Servers[0].Port);
            json.WriteStartArray("servers"u8);
            foreach (var server in strings.Servers) json.WriteStringValue(server.ToString());
            json.WriteEndArray();
            json.WriteString("database"u8, credentials.Database);
            WriteText(json, "uri", strings.Uri);
            WriteText(json, "adoNet", strings.AdoNet);
            WriteText(json, "jdbc", strings.Jdbc);
            WriteText(json, "go", strings.Go);
            WriteText(json, "python", strings.Python);
            json.WriteStartObject("drivers"u8);
            foreach (var driver in strings.Drivers) WriteText(json, driver.Driver, driver.Text);
            json.WriteEndObject();
            json.WriteStartObject("notes"u8);
            foreach (var driver in strings.Drivers) WriteText(json, driver.Driver, driver.Note);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return HolderSlot.Of(text.WrittenSpan);
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null) json.WriteString(name, text);
    }
}
