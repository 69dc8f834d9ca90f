using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>A pooler's file of users, which others write into and read too.</summary>
public sealed class UserListFileTests : IDisposable
{
    private const string Console = "; by hand\n\"broker-console\" \"geheim\"\n";

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-userlist-");
    private readonly FakeTimeProvider clock = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public UserListFileTests() => File.WriteAllText(Path, Console);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Path => System.IO.Path.Combine(directory.FullName, "userlist.txt");

    private UserListFile List => new(Path, clock);

    public void Dispose() => directory.Delete(recursive: true);

    [Fact]
    public async Task What_others_wrote_stays_and_the_brokers_users_stand_below_it()
    {
        (await PutAsync(("b", "SCRAM-2"), ("a\"b", "SCRAM-1"))).ShouldBeTrue();
        (await File.ReadAllTextAsync(Path, Cancellation)).ShouldBe(Console + "; Below this line the broker keeps the users of its leases.\n\"a\"\"b\" \"SCRAM-1\"\n\"b\" \"SCRAM-2\"\n");

        IReadOnlyDictionary<string, string>? there = null;
        await List.ChangeAsync(users => Task.FromResult(there = users), Cancellation);
        there.ShouldBe(new Dictionary<string, string> { ["a\"b"] = "SCRAM-1", ["b"] = "SCRAM-2" }, ignoreOrder: true);
        (await PutAsync(("b", "SCRAM-2"), ("a\"b", "SCRAM-1"))).ShouldBeFalse("they are the same");
        (await PutAsync()).ShouldBeTrue();
        (await File.ReadAllTextAsync(Path, Cancellation)).ShouldStartWith(Console);
        (await File.ReadAllTextAsync(Path, Cancellation)).ShouldNotContain("SCRAM");
    }

    [Fact]
    public async Task The_mode_of_the_file_is_kept_but_others_may_never_read_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await PutAsync(("a", "SCRAM-1"));
        File.GetUnixFileMode(Path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await PutAsync(("a", "SCRAM-2"));
        File.GetUnixFileMode(Path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Each_writing_has_a_second_of_its_own_because_PgBouncer_tells_files_apart_by_it()
    {
        var seen = new List<DateTime>();
        for (var i = 0; i < 3; i++)
        {
            await PutAsync(("a", $"SCRAM-{i}"));
            seen.Add(File.GetLastWriteTimeUtc(Path));
        }

        clock.Advance(TimeSpan.FromMinutes(1));
        await PutAsync(("a", "SCRAM-9"));
        seen.Add(File.GetLastWriteTimeUtc(Path));
        seen.ShouldBe([clock.GetUtcNow().UtcDateTime.AddMinutes(-1), seen[0].AddSeconds(1), seen[0].AddSeconds(2), clock.GetUtcNow().UtcDateTime]);
    }

    [Fact]
    public async Task Of_several_who_write_at_once_each_adds_to_what_the_others_wrote()
    {
        var writers = Enumerable.Range(0, 8).Select(number => Task.Run(
            () => new UserListFile(Path, TimeProvider.System).ChangeAsync(
                async there =>
                {
                    await Task.Yield();
                    return new Dictionary<string, string>(there) { [$"u{number}"] = "SCRAM" };
                },
                Cancellation),
            Cancellation));
        (await Task.WhenAll(writers)).ShouldAllBe(written => written);
        await List.ChangeAsync(
            there =>
            {
                there.Keys.ShouldBe(Enumerable.Range(0, 8).Select(number => $"u{number}"), ignoreOrder: true);
                return Task.FromResult(there);
            },
            Cancellation);
    }

    [Fact]
    public async Task What_one_left_that_was_killed_is_in_nobodys_way()
    {
        await File.WriteAllTextAsync(Path + ".new", "half a l", Cancellation);
        await File.WriteAllTextAsync(Path + ".lock", "", Cancellation);
        (await PutAsync(("a", "SCRAM-1"))).ShouldBeTrue();
        File.Exists(Path + ".new").ShouldBeFalse();
    }

    [Fact]
    public async Task A_missing_file_is_refused_with_an_explanation_and_not_created()
    {
        File.Delete(Path);
        (await Should.ThrowAsync<DatabaseException>(() => PutAsync(("a", "SCRAM-1")))).Message.ShouldContain($"UserList {Path} cannot be written: there is no such file");
        directory.EnumerateFiles().ShouldBeEmpty();
    }

    private Task<bool> PutAsync(params (string Name, string Verifier)[] users) =>
        List.ChangeAsync(_ => Task.FromResult<IReadOnlyDictionary<string, string>>(users.ToDictionary(user => user.Name, user => user.Verifier)), Cancellation);
}
