using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Operators;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Catalog;

public sealed class LiveCatalogTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-live-").FullName;
    private readonly FakeTimeProvider time = new();

    private string JsonFile => Path.Combine(directory, "broker.json");

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void A_bad_configuration_does_not_start()
    {
        var error = Should.Throw<CatalogException>(() =>
            new LiveCatalog(Configured.With(("Databases:orders:Port", "0"), ("Roles:orders-api:Database", "x")), time, NullLogger<LiveCatalog>.Instance));

        error.Errors.Count.ShouldBe(2);
        error.Message.ShouldContain("Broker:Databases:orders:Port");
        error.Message.ShouldContain("Broker:Roles:orders-api:Database");
    }

    [Fact]
    public void A_broken_file_does_not_start() =>
        Should.Throw<CatalogException>(() => new LiveCatalog(Configure("{ \"Broker\": \"hunter2"), time, NullLogger<LiveCatalog>.Instance))
            .Message.ShouldSatisfyAllConditions(
                message => message.ShouldContain("broker.json: is not JSON (line 1"),
                message => message.ShouldNotContain("hunter2"));

    [Fact]
    public void A_good_reload_swaps_the_whole_snapshot_and_says_so()
    {
        var configuration = Configure(Configured.Json);
        using var catalog = new LiveCatalog(configuration, time, NullLogger<LiveCatalog>.Instance);
        var before = catalog.Current;
        CatalogSnapshot? announced = null;
        catalog.Swapped += _ => throw new InvalidOperationException("A listener that fails must not keep the others in the past.");
        catalog.Swapped += snapshot => announced = snapshot;

        Reload(configuration, Configured.Json.Replace("\"CeilingPercent\": 70", "\"CeilingPercent\": 50", StringComparison.Ordinal));

        catalog.Current.Databases["orders"].Budget.CeilingPercent.ShouldBe(50);
        announced.ShouldBeSameAs(catalog.Current);
        before.Databases["orders"].Budget.CeilingPercent.ShouldBe(70);
        catalog.LastReload!.Errors.ShouldBeEmpty();
    }

    [Fact]
    public void A_reload_with_mistakes_keeps_the_old_snapshot_and_tells_them()
    {
        var configuration = Configure(Configured.Json);
        using var catalog = new LiveCatalog(configuration, time, NullLogger<LiveCatalog>.Instance);
        var before = catalog.Current;
        var swaps = 0;
        catalog.Swapped += _ => swaps++;
        time.Advance(TimeSpan.FromMinutes(1));

        Reload(configuration, Configured.Json.Replace("\"CeilingPercent\": 70", "\"CeilingPercent\": 700, \"Celing\": 1", StringComparison.Ordinal));

        catalog.Current.ShouldBeSameAs(before);
        swaps.ShouldBe(0);
        catalog.LastReload!.Errors.Select(error => error.Path)
            .ShouldBe(["Broker:Databases:orders:Budget:CeilingPercent", "Broker:Databases:orders:Budget:Celing"]);
        catalog.LastReload.At.ShouldBe(time.GetUtcNow());
    }

    [Theory]
    [InlineData("{ \"Broker\": {")]
    [InlineData(null)]
    public void A_file_that_broke_or_vanished_keeps_the_old_snapshot_though_another_file_would_do_alone(string? content)
    {
        var overrides = Path.Combine(directory, "override.json");
        File.WriteAllText(overrides, """{ "Broker": { "Databases": { "orders": { "Budget": { "CeilingPercent": 30 } } } } }""");
        var configuration = Configure(Configured.Json, overrides);
        using var catalog = new LiveCatalog(configuration, time, NullLogger<LiveCatalog>.Instance);
        catalog.Current.Databases["orders"].Budget.CeilingPercent.ShouldBe(30);

        if (content is null) File.Delete(overrides);
        else File.WriteAllText(overrides, content);
        Reload(configuration, Configured.Json);

        catalog.Current.Databases["orders"].Budget.CeilingPercent.ShouldBe(30);
        catalog.LastReload!.Errors.ShouldHaveSingleItem().Path.ShouldBe("override.json");
    }

    [Fact]
    public void Changes_in_quick_succession_are_read_once()
    {
        var configuration = Configure(Configured.Json);
        using var catalog = new LiveCatalog(configuration, time, NullLogger<LiveCatalog>.Instance);
        var swaps = 0;
        catalog.Swapped += _ => swaps++;

        for (var i = 0; i < 5; i++)
        {
            configuration.Reload();
            time.Advance(LiveCatalog.QuietFor / 2);
        }

        swaps.ShouldBe(0);
        time.Advance(LiveCatalog.QuietFor);
        swaps.ShouldBe(1);
    }

    [Fact]
    public void A_rotated_secret_file_is_followed_though_the_configuration_did_not_change()
    {
        var file = Path.Combine(directory, "admin");
        File.WriteAllText(file, "old");
        using var catalog = new LiveCatalog(
            Configured.With(("Databases:orders:AdminConnectionString", ""), ("Databases:orders:AdminConnectionStringFile", file)),
            time, NullLogger<LiveCatalog>.Instance);

        time.Advance(LiveCatalog.FilesEvery);
        catalog.LastReload.ShouldBeNull();
        File.WriteAllText(file, "new");
        time.Advance(LiveCatalog.FilesEvery);
        time.Advance(TimeSpan.FromMilliseconds(1));

        catalog.Current.Databases["orders"].AdminConnectionString.Reveal().ShouldBe("new");
    }

    [Fact]
    public async Task A_changed_file_is_noticed_by_itself()
    {
        File.WriteAllText(JsonFile, Configured.Json);
        var builder = new ConfigurationBuilder().SetBasePath(directory).AddJsonFile("broker.json", optional: false, reloadOnChange: true);
        builder.LeaveBrokenFilesToTheCatalog();
        using var catalog = new LiveCatalog(builder.Build(), TimeProvider.System, NullLogger<LiveCatalog>.Instance);
        var swapped = new TaskCompletionSource<CatalogSnapshot>(TaskCreationOptions.RunContinuationsAsynchronously);
        catalog.Swapped += snapshot =>
        {
            if (snapshot.Databases["orders"].Budget.CeilingPercent == 50) swapped.TrySetResult(snapshot);
        };

        File.WriteAllText(JsonFile, Configured.Json.Replace("\"CeilingPercent\": 70", "\"CeilingPercent\": 50", StringComparison.Ordinal));

        (await swapped.Task.WaitAsync(TimeSpan.FromMinutes(5), TestContext.Current.CancellationToken)).ShouldBeSameAs(catalog.Current);
    }

    [Theory]
    [InlineData("Audience", "page", "another-page")]
    [InlineData("Authority", "https://login.example", "https://login.elsewhere.example")]
    public void A_changed_issuer_by_which_people_sign_in_needs_a_restart_for_that_and_says_so(string setting, string was, string value)
    {
        ConcurrentQueue<string> told = [];
        var json = Configured.Json
            .Replace("\"Identity\": { \"Issuers\": {", "\"Page\": { \"SignIn\": { \"Issuer\": \"staff\" } }, \"Identity\": { \"Issuers\": { \"staff\": { \"Authority\": \"https://login.example\", \"Audience\": \"page\" },", StringComparison.Ordinal);
        var configuration = Configure(json);
        using var logs = LoggerFactory.Create(log => log.AddProvider(new Told(told)));
        using var catalog = new LiveCatalog(configuration, time, logs.CreateLogger<LiveCatalog>());

        Reload(configuration, json.Replace("\"CeilingPercent\": 70", "\"CeilingPercent\": 50", StringComparison.Ordinal));
        told.ShouldNotContain(static line => line.Contains("sign in to the page", StringComparison.Ordinal));
        Reload(configuration, json.Replace($"\"{setting}\": \"{was}\"", $"\"{setting}\": \"{value}\"", StringComparison.Ordinal));

        catalog.LastReload!.Errors.ShouldBeEmpty();
        told.ShouldContain(static line => line.Contains("of the issuer staff changed, by which people sign in to the page", StringComparison.Ordinal));
    }

    private IConfigurationRoot Configure(string json, string? overrides = null)
    {
        File.WriteAllText(JsonFile, json);
        var builder = new ConfigurationBuilder().SetBasePath(directory).AddJsonFile("broker.json", optional: false, reloadOnChange: false);
        if (overrides is not null) builder.AddJsonFile(Path.GetFileName(overrides), optional: false, reloadOnChange: false);
        builder.LeaveBrokenFilesToTheCatalog();
        return builder.Build();
    }

    private void Reload(IConfigurationRoot configuration, string json)
    {
        File.WriteAllText(JsonFile, json);
        configuration.Reload();
        time.Advance(LiveCatalog.QuietFor);
    }
}
