using Broker.Core.Databases;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The broker's passwords satisfy the rules that servers commonly have for passwords.</summary>
public sealed class PasswordsTests
{
    [Fact]
    public void Each_of_100_000_has_32_characters_of_all_four_kinds_and_begins_with_a_letter()
    {
        var seen = new HashSet<char>();
        for (var draw = 0; draw < 100_000; draw++)
        {
            var password = Passwords.New().Reveal();
            if (password.Length == 32 && char.IsAsciiLetter(password[0]) && password.Any(char.IsAsciiLetterUpper) && password.Any(char.IsAsciiLetterLower) && password.Any(char.IsAsciiDigit)
                && password.Any(character => character is '-' or '_') && password.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_'))
            {
                seen.UnionWith(password);
                continue;
            }

            Assert.Fail($"draw {draw}: {password}");
        }

        seen.Count.ShouldBe(64, "no character is left out");
    }
}
