using System.Buffers;
using System.Text;
using System.Text.Json;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts.Native.Holders;

/// <summary>Writes the events of a watching holder as server-sent events (WHATWG HTML, 9.2).</summary>
internal sealed class HolderEventWriter
{
    /// <summary>The content type of such a stream.</summary>
    public const string ContentType = "text/event-stream";

    private readonly HttpContext context;

    public HolderEventWriter(HttpContext context)
    {
        this.context = context;
        context.Response.ContentType = ContentType;
        context.Response.Headers["X-Accel-Buffering"] = "no"; // a buffering proxy would hold back every event
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    public async Task WriteAsync(HolderEvent told)
    {
        var body = context.Response.BodyWriter;
        switch (told)
        {
            case HolderEvent.Renewed renewed:
                Write(body, renewed.Grant.Overlap is null ? "event: renewed\ndata: "u8 : "event: rotate\ndata: "u8, renewed.Grant);
                break;
            case HolderEvent.Resized resized:
                Write(body, "event: resize\ndata: "u8, resized.Grant);
                break;
            case HolderEvent.Ending ending:
                var (code, _, _) = RefusalStatus.Of(ending.Refusal.Code);
                var text = JsonSerializer.Serialize(new { code, detail = ending.Refusal.Detail });
                body.Write(Encoding.UTF8.GetBytes($"event: ending\ndata: {text}\n\n"));
                break;
            default:
                body.Write(": still here\n\n"u8);
                break;
        }

        await body.FlushAsync(context.RequestAborted);
    }

    private static void Write(IBufferWriter<byte> body, ReadOnlySpan<byte> head, Grant grant)
    {
        body.Write(head);
        GrantWriter.WriteRenewal(body, grant);
        body.Write("\n\n"u8);
    }
}
