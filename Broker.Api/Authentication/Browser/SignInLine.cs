using System.Globalization;
using System.Security.Cryptography;
using Broker.Core.Limits;
using Microsoft.AspNetCore.Authentication;

namespace Broker.Api.Authentication.Browser;

/// <summary>
/// Bounds what browsers that come back from the identity provider cost it. Anybody can bring a code, and each is redeemed with the broker's own secret: what was
/// begun here is good once and for minutes, an address has so many tries, and few are under way at once (law L10).
/// </summary>
internal sealed class SignInLine(TimeProvider time)
{
    /// <summary>How long signing in at the provider may take.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(10);

    /// <summary>How long the provider may take to answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How many codes an address may bring at once; one more a second.</summary>
    public const int Burst = 20;

    /// <summary>What is said of an address that brings too many.</summary>
    public const string TooMany = "Too many sign-ins come from this address. Try again in a minute.";

    private const int AtOnce = 4;
    private const int MostWaiting = 100;
    private const int MostRemembered = 100_000;
    private const string Once = "broker.once";
    private const string Begun = "broker.begun";

    private readonly FairLine line = new(AtOnce, MostWaiting, Patience, time);
    private readonly RateLimit addresses = new(time);
    private readonly RateLimit used = new(time, MostRemembered);

    /// <summary>Marks what is begun.</summary>
    public void Begin(AuthenticationProperties properties)
    {
        properties.Items[Once] = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        properties.Items[Begun] = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Why a code is not to be redeemed; null: it may be. What was begun with it is used up.</summary>
    public string? WhyNot(AuthenticationProperties properties, string from)
    {
        if (!properties.Items.TryGetValue(Once, out var once) || once is null
            || !properties.Items.TryGetValue(Begun, out var begun) || !long.TryParse(begun, CultureInfo.InvariantCulture, out var at)
            || time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(at) >= GoodFor) return "This sign-in was begun too long ago.";
        if (addresses.Take(from, 1, Burst) is not null) return TooMany;
        // Once within the time for which it is good at all.
        return used.Take(once, 1 / (2 * GoodFor.TotalSeconds), 1) is null ? null : "This sign-in has already been used.";
    }

    /// <summary>Takes a place for one request to the provider, to be given back with <see cref="Leave"/>. False when there was none in time.</summary>
    public ValueTask<bool> EnterAsync(string from) => line.EnterAsync(new(from, from));

    /// <summary>Gives the place back.</summary>
    public void Leave() => line.Leave();
}
