using System.Security.Cryptography;
using Broker.Core.Model;

namespace Broker.Core.Issuing.BuiltIn;

/// <summary>Makes passwords.</summary>
internal static class Passwords
{
    private const int Length = 32;
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// <summary>64 characters, none of which any SQL, shell, URL or connection string needs escaped.</summary>
    private const string Alphabet = Letters + "0123456789-_";

    /// <summary>A new one: a letter, then 31 of letters, digits, <c>-</c> and <c>_</c>: more than 190 random bits.</summary>
    public static Secret New() => new(RandomNumberGenerator.GetString(Letters, 1) + RandomNumberGenerator.GetString(Alphabet, Length - 1));
}
