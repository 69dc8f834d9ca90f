namespace Broker.Api.Authentication;

/// <summary>Marks endpoints that people open in a browser, which can send a token only as a password.</summary>
public sealed class TokenAsPasswordMetadata;

/// <summary>Says so on an endpoint.</summary>
public static class TokenAsPassword
{
    /// <summary>
    /// Lets GET and HEAD of these endpoints take the token as the password of HTTP Basic too (any user name), and asks
    /// browsers for it.
    /// </summary>
    public static TBuilder AcceptTokenAsPassword<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new TokenAsPasswordMetadata());

    // GET and HEAD alone: a browser adds a password by itself to whatever another site makes it send, so it must never be
    // able to change anything.
    internal static bool AcceptsTokenAsPassword(this HttpContext context) =>
        (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method))
        && context.GetEndpoint()?.Metadata.GetMetadata<TokenAsPasswordMetadata>() is not null;
}
