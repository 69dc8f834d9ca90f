using System.Net;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>A request's body on its way to the Vault behind: each piece is passed on at once, however small it is.</summary>
internal sealed class PassedBody : HttpContent
{
    private readonly Stream body;

    /// <param name="request">The request, whose body has not been read.</param>
    public PassedBody(HttpRequest request)
    {
        body = request.Body;
        if (request.ContentType is { } type) Headers.TryAddWithoutValidation("Content-Type", type);
        if (request.ContentLength is { } length) Headers.ContentLength = length;
    }

    /// <summary>Runs when all of it is sent: only then can an answer be late.</summary>
    public Action Sent { get; set; } = static () => { };

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var piece = new byte[16 * 1024];
        while (await body.ReadAsync(piece, cancellationToken) is var read and > 0)
        {
            await stream.WriteAsync(piece.AsMemory(0, read), cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }

        Sent();
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
