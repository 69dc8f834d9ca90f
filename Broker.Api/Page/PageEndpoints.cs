using System.Globalization;
using System.Text.Json;
using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Broker.Api.Fronts.Native.History;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators.Holdings;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http.HttpResults;
using RazorSlices;

namespace Broker.Api.Page;

/// <summary>The page that shows DBAs every database's connections, leases and holders, and lets operators give orders.</summary>
public static class PageEndpoints
{
    /// <summary>
    /// Replaces the policy of <see cref="SecurityHeaders"/>, which put every other header already. Allows only the page's own files and calls to the broker that served it; forbids framing, so that nothing can be laid over it.
    /// </summary>
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    // After this long a stream is opened again, which proves its reader again.
    private static readonly TimeSpan StreamFor = TimeSpan.FromSeconds(30);

    private static readonly Dictionary<string, string> DoneTexts = new(StringComparer.Ordinal)
    {
        ["rotate"] = "The rotation is ordered: the table of leases shows its progress.",
        ["pause"] = "The role is paused: no new holder gets it. Resume it in the table of roles.",
        ["drain"] = "The role is being drained: no new holder gets it, and no holder gets more time. Resume it in the table of roles.",
        ["resume"] = "The role is granted again.",
        ["revoke"] = "The lease is being revoked.",
        ["end"] = "The holder has ended.",
        ["configured"] = "The configured ceiling takes effect with the next count of connections.",
        ["ceiling"] = "The ceiling takes effect with the next count of connections.",
        ["drop"] = "The leftover is gone.",
    };

    /// <summary>Adds the page's services.</summary>
    public static void AddPage(this IServiceCollection services, LiveCatalog catalog)
    {
        services.AddAuthentication().AddPageSignIn(catalog.Settings, catalog.Current);
        services.Configure<OpenIdConnectOptions>(PageSignIn.Provider, static oidc => oidc.Events.OnRemoteFailure = SignInEndpoints.FailedAsync);
        services.AddSingleton<IPageSource, PageReader>().AddSingleton<IHoldersSource, HoldersReader>().AddSingleton<PageOrders>().AddSingleton<LinkSignIn>();
        services.AddAntiforgery(options =>
        {
            options.Cookie.Name = "broker-page-form";
            options.FormFieldName = "form-token";
            options.SuppressXFrameOptionsHeader = true; // the content security policy already forbids framing
        });
    }

    /// <summary>Maps <c>/</c>, its live stream, its files and its orders, for viewers; and signing in.</summary>
    public static void MapPage(this IEndpointRouteBuilder endpoints)
    {
        var page = endpoints.MapGroup("").RequireAuthorization(Policies.Viewer).WithMetadata(new PageCookieMetadata()).ExcludeFromDescription();
        page.MapGet("/", ShowAsync).RecordReads();
        page.MapGet("/page/live", (HttpContext context, IPageSource reader) => StreamAsync(context, async cancellation =>
        {
            var model = await reader.ReadAsync(context.ProvenCaller(), QueryOf(context.Request), null, cancellation);
            return (await Slices.Main.Create(model).RenderAsync(cancellationToken: cancellation), model.At);
        })).RecordReads();
        page.MapGet("/databases/{database}", ShowHoldersAsync).RecordReads();
        page.MapGet("/page/live/{database}", (string database, HttpContext context, IHoldersSource reader) => StreamAsync(context, async cancellation =>
            await reader.ReadAsync(context.ProvenCaller(), database, FilterOf(context.Request), SpanOf(context.Request), cancellation) is { } model
                ? (await Slices.Holders.Create(model).RenderAsync(cancellationToken: cancellation), model.At)
                : null)).RecordReads();
        var orders = endpoints.MapGroup("/orders").RequireAuthorization(Policies.Operator).WithMetadata(new PageCookieMetadata()).ExcludeFromDescription();
        orders.MapGet("/{kind}", ConfirmAsync).RecordReads(); // it names holders
        orders.MapPost("/{kind}", GiveAsync);

        // Served before it is known who is asking: contains no secret.
        foreach (var (path, asset) in PageAsset.All) endpoints.MapGet(path, (HttpContext context) => Serve(context, asset)).AllowAnonymous().ExcludeFromDescription();
        endpoints.MapSignIn();
    }

    /// <summary>Writes a page.</summary>
    internal static async Task RenderAsync(HttpContext context, RazorSlice slice, int status = StatusCodes.Status200OK)
    {
        context.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html; charset=utf-8";
        await slice.RenderAsync(context.Response.BodyWriter, cancellationToken: context.RequestAborted);
    }

    private static async Task ShowAsync(HttpContext context, IPageSource reader, string? done) => await RenderAsync(
        context,
        Slices.Index.Create(await reader.ReadAsync(context.ProvenCaller(), QueryOf(context.Request), DoneText(done), context.RequestAborted)));

    private static string? DoneText(string? done) => done is null ? null : DoneTexts.GetValueOrDefault(done);

    private static async Task ShowHoldersAsync(string database, HttpContext context, IHoldersSource reader, string? done)
    {
        if (await reader.ReadAsync(context.ProvenCaller(), database, FilterOf(context.Request), SpanOf(context.Request), context.RequestAborted) is { } model)
            await RenderAsync(context, Slices.HoldersPage.Create(model with { Done = DoneText(done) }));
        else
            context.Response.StatusCode = StatusCodes.Status404NotFound;
    }

    // Null when the subject does not exist, so there is nothing to stream.
    private static async Task StreamAsync(HttpContext context, Func<CancellationToken, Task<(string Html, DateTimeOffset At)?>> render)
    {
        var (catalog, time) = (context.RequestServices.GetRequiredService<ICatalog>(), context.RequestServices.GetRequiredService<TimeProvider>());
        await using var proof = new StandingProof(context, time);
        // An open stream does not keep a replica from stopping: the browser connects to another one.
        using var going = CancellationTokenSource.CreateLinkedTokenSource(proof.Token, context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        var (caller, cancellation) = (context.ProvenCaller(), going.Token);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // a buffering proxy would hold back every event
        var begun = time.GetTimestamp();
        var shown = "";
        try
        {
            await context.Response.WriteAsync("retry: 500\n\n", cancellation);
            while (time.GetElapsedTime(begun) < StreamFor && catalog.Current.Identity.Grants(caller, Policies.Viewer) && await render(cancellation) is var (html, moment))
            {
                var at = PageText.Moment(moment);
                await context.Response.WriteAsync(
                    html == shown ? $"event: same\ndata: {JsonSerializer.Serialize(new { at })}\n\n" : $"event: main\ndata: {JsonSerializer.Serialize(new { at, html })}\n\n", cancellation);
                await context.Response.Body.FlushAsync(cancellation);
                shown = html;
                await Task.Delay(Every, time, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // The reader left, its proof has ended, or the replica stops: the browser asks again, and gets the answer.
        }
    }

    private static async Task ConfirmAsync(string kind, HttpContext context, PageOrders orders, IAntiforgery antiforgery) =>
        await ShowOrderAsync(kind, name => context.Request.Query[name], null, context, orders, antiforgery);

    private static async Task GiveAsync(string kind, HttpContext context, PageOrders orders, IAntiforgery antiforgery)
    {
        if (await PageForm.ReadAsync(context, antiforgery) is not { } form)
        {
            var tooOld = await orders.RefusedAsync(kind, _ => null, "The form has expired, or another site sent it. Nothing was done. Go back to the page and give the order again.", context);
            await ShowOrderAsync(kind, _ => null, tooOld.Detail, context, orders, antiforgery);
            return;
        }

        string? Field(string name) => form[name].ToString() is { Length: > 0 } text ? text : null;
        OrderModel? order = null;
        string? refused;
        try
        {
            order = await orders.DescribeAsync(kind, Field, context.RequestAborted);
            var refusal = order is null ? await orders.RefusedAsync(kind, Field, "What this order is about does not exist any more. Nothing was done. Go back to the page to see what is there now.", context) : await orders.GiveAsync(kind, Field, context);
            if (refusal?.Code == RefusalCode.AuditUnavailable)
            {
                // The order's page would show its holders, and that is not on record either.
                await RefusalWriter.WriteAsync(context, refusal);
                return;
            }

            refused = refusal?.Detail;
        }
        catch (LedgerException e)
        {
            refused = LedgerAway(e);
        }

        if (refused is not null) await ShowOrderAsync(kind, Field, refused, context, orders, antiforgery);
        else context.Response.Redirect(order!.DoneAddress(kind));
    }

    private static async Task ShowOrderAsync(string kind, Func<string, string?> field, string? refused, HttpContext context, PageOrders orders, IAntiforgery antiforgery)
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        OrderModel? model = null;
        try
        {
            model = await orders.DescribeAsync(kind, field, context.RequestAborted);
        }
        catch (LedgerException e)
        {
            refused ??= LedgerAway(e);
        }

        model ??= new("There is nothing to order here", "", "", ["What this order is about no longer exists, never existed, or cannot be looked up."], [], []);
        await RenderAsync(
            context,
            Slices.Confirm.Create(model with
            {
                Refused = refused,
                Reason = field("reason"),
                Ceiling = field("ceiling"),
                AntiforgeryField = tokens.FormFieldName,
                AntiforgeryToken = tokens.RequestToken!,
            }),
            refused is null ? StatusCodes.Status200OK : StatusCodes.Status409Conflict);
    }

    private static string LedgerAway(LedgerException exception) => $"The broker's ledger does not answer: nothing was done. {exception.Message}";

    // A parameter of the address; one that is too long is ignored like an invalid one.
    private static string? TextOf(HttpRequest request, string name) => request.Query[name].ToString() is { Length: > 0 and <= 200 } text ? text : null;

    private static PageQuery QueryOf(HttpRequest request)
    {
        string? Text(string name) => TextOf(request, name);
        int? Number(string name) => int.TryParse(Text(name), CultureInfo.InvariantCulture, out var number) ? number : null;
        return new(Text("lease"), Text("q") ?? "", Text("sort") ?? "ends", Text("db"), Number("pods"), Number("connections"), TimeOnly.TryParseExact(Text("at"), "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var at) ? at : null);
    }

    private static HistorySpan SpanOf(HttpRequest request) =>
        HistoryShape.Spans.GetValueOrDefault(request.Query["span"].ToString(), HistorySpan.SixHours);

    // Invalid parameters are ignored, so that an address that somebody passed on still shows something.
    private static HoldingFilter FilterOf(HttpRequest request)
    {
        string? Text(string name) => TextOf(request, name);
        var filter = new HoldingFilter
        {
            Search = Text("q") ?? "",
            Namespace = Text("namespace"),
            Team = Text("team"),
            Role = Text("role"),
            Node = Text("node"),
            OnlyOver = Text("over") == "true",
            Page = int.TryParse(Text("page"), NumberStyles.None, CultureInfo.InvariantCulture, out var page) && page > 0 ? page : 1,
        };
        return Text("sort") is { } sort && HoldingFilter.Sorts.Contains(sort) ? filter with { Sort = sort } : filter;
    }

    private static FileContentHttpResult Serve(HttpContext context, PageAsset asset)
    {
        context.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
        context.Response.Headers.CacheControl = "private, no-cache";
        return TypedResults.Bytes(asset.Content, asset.ContentType, entityTag: asset.ETag);
    }
}
