using System.Xml.Linq;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Sealing;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>The sealing keys in the directory that <c>Sealing:Directory</c> names.</summary>
public sealed class DirectoryKeyRingTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-sealing-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Keys_are_where_ASP_NET_itself_puts_them_and_nobody_else_reads_them()
    {
        var ours = new DirectoryKeyRing(directory);
        var theirs = new FileSystemXmlRepository(new(directory), NullLoggerFactory.Instance);
        theirs.StoreElement(new("one"), "key-one");
        ours.StoreElement(new("two", new XElement("within", "ü")), "key-two");

        ours.GetAllElements().Select(static element => element.ToString()).Order(StringComparer.Ordinal).ShouldBe(theirs.GetAllElements().Select(static element => element.ToString()).Order(StringComparer.Ordinal));
        Directory.GetFiles(directory).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["key-one.xml", "key-two.xml"]);
        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(Path.Combine(directory, "key-two.xml")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public void The_directory_is_kept_by_it()
    {
        using var services = Services();
        services.GetRequiredService<IOptions<KeyManagementOptions>>().Value.XmlRepository.ShouldBeOfType<DirectoryKeyRing>();
        var sealedText = new LedgerSeal(services.GetRequiredService<IDataProtectionProvider>()).Seal("text", "purpose");

        using var others = Services();
        new LedgerSeal(others.GetRequiredService<IDataProtectionProvider>()).TryOpen(sealedText, "purpose").ShouldBe("text");
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("<key id=", "broken")]
    public void A_key_that_a_crash_left_empty_or_broken_is_named(string content, string what)
    {
        using (var services = Services()) new LedgerSeal(services.GetRequiredService<IDataProtectionProvider>()).Seal("text", "purpose");
        var key = Directory.GetFiles(directory, "key-*.xml").ShouldHaveSingleItem();
        File.WriteAllText(key, content);

        using var after = Services();
        var seal = new LedgerSeal(after.GetRequiredService<IDataProtectionProvider>());
        Should.Throw<SealingKeysException>(() => seal.Seal("text", "purpose")).Message.ShouldContain($"The sealing key {key} is {what}");
    }

    private ServiceProvider Services()
    {
        var services = new ServiceCollection();
        services.AddDataProtection().SetApplicationName("broker").KeepKeys(new(directory, null, null), new LedgerSettings());
        return services.BuildServiceProvider();
    }
}
