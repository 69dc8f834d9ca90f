using Microsoft.AspNetCore.Antiforgery;

namespace Broker.Api.Page;

/// <summary>Reads the forms that the page sends.</summary>
internal static class PageForm
{
    private const string Type = "application/x-www-form-urlencoded";

    /// <summary>The fields; null: it is no form of this page, or too old. Another site can make a browser send one, but cannot know the form's token.</summary>
    /// <exception cref="BadHttpRequestException">It is a form that no page sends, or it broke off.</exception>
    public static async Task<IFormCollection?> ReadAsync(HttpContext context, IAntiforgery antiforgery)
    {
        // Only what can be read at once: of other types, parts would be kept in files.
        if (context.Request.ContentType?.StartsWith(Type, StringComparison.OrdinalIgnoreCase) != true) return null;
        IFormCollection form;
        try
        {
            form = await context.Request.ReadFormAsync(context.RequestAborted);
        }
        catch (InvalidDataException e)
        {
            throw new BadHttpRequestException("The form has more or longer fields than any form of the page.", e);
        }

        return await antiforgery.IsRequestValidAsync(context) ? form : null;
    }
}
