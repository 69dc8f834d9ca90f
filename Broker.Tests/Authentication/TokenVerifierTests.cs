using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.Tokens;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

/// <summary>Checks of signatures, the most expensive thing that anybody can ask for, with a slow key.</summary>
public sealed class TokenVerifierTests : IAsyncLifetime
{
    private const int More = 8;

    private static readonly int Places = Environment.ProcessorCount;

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly SlowKey slow = new();
    private readonly TokenMint mint;
    private readonly TokenVerifier verifier;
    private readonly BelievedIssuer issuer;

    public TokenVerifierTests()
    {
        mint = new TokenMint("one", time, 0);
        verifier = new(new(new()), time);
        var keys = new KeySet(null, [SigningKey.Of(slow.Key)]);
        var ever = new KeyAges(TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue);
        issuer = new(
            new IdentityIssuer { Name = "kubernetes", Issuer = TokenMint.Issuer, Audience = "broker" }, new SigningKeys("slow", () => Task.FromResult(keys), ever, time, NullLogger.Instance), null);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await issuer.Keys.GetAsync(Cancel);

    public ValueTask DisposeAsync()
    {
        slow.Dispose();
        mint.Dispose();
        return default;
    }

    [Fact]
    public async Task L10_However_many_tokens_come_no_more_are_checked_at_once_than_there_are_cores()
    {
        var all = Enumerable.Range(0, Places + More).Select(i => Check($"pod-{i}")).ToList();

        await Eventually.HoldsAsync(() => Task.FromResult(all.Count(one => one.IsCompleted) == More), "the rest wait in line", Cancel);
        slow.Checked.Count.ShouldBe(Places);
        slow.LetGo(Places + More);
        foreach (var one in all) (await await one).Proof.Caller.ShouldNotBeNull();
    }

    [Fact]
    public async Task Whoever_comes_alone_is_checked_before_a_flood_from_its_own_address()
    {
        var flood = Enumerable.Range(0, Places + More).Select(_ => Check("flood")).ToList();
        await Eventually.HoldsAsync(() => Task.FromResult(flood.Count(one => one.IsCompleted) == More), "the rest of the flood waits in line", Cancel);
        var alone = Check("alone");
        await alone;

        // Two places come free: one goes to the flood, which was there before, and one to whoever is alone.
        slow.LetGo(2);
        await Eventually.HoldsAsync(() => Task.FromResult(slow.Checked.Count == Places + 2), "two more are checked", Cancel);
        slow.Checked.ShouldContain("alone");
        slow.LetGo(Places + More);
        (await await alone).Proof.Caller.ShouldNotBeNull();
        foreach (var one in flood) await await one;
    }

    // On a thread of its own, which a check that has its place holds; the outer task is over when the check waits for one.
    private Task<Task<CheckedToken>> Check(string subject)
    {
        var token = mint.Token(payload => payload["sub"] = subject);
        return Task.Factory.StartNew(() => verifier.CheckAsync([issuer], token.AsMemory(), "192.0.2.1"), Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>A key by which every signature is right, as soon as it is let go.</summary>
    private sealed class SlowKey : ICryptoProvider, IDisposable
    {
        private readonly SemaphoreSlim gate = new(0);
        private readonly ConcurrentQueue<string> subjects = new();

        public SlowKey()
        {
            using var made = RSA.Create(2048);
            Key = new(made.ExportParameters(includePrivateParameters: false)) { KeyId = "one", CryptoProviderFactory = new() { CustomCryptoProvider = this } };
        }

        public RsaSecurityKey Key { get; }

        /// <summary>Whose tokens were or are being checked, in their order.</summary>
        public IReadOnlyCollection<string> Checked => subjects;

        public void LetGo(int checks) => gate.Release(checks);

        public bool IsSupportedAlgorithm(string algorithm, params object[] args) => algorithm == SecurityAlgorithms.RsaSha256;

        public object Create(string algorithm, params object[] args) => new Signatures(this, algorithm);

        public void Release(object cryptoInstance)
        {
            // Each is forgotten when its check is over.
        }

        public void Dispose() => gate.Dispose();

        private bool Verify(ReadOnlySpan<byte> signed)
        {
            var payload = Encoding.ASCII.GetString(signed).Split('.')[1];
            subjects.Enqueue((string)JsonNode.Parse(Base64UrlEncoder.Decode(payload))!["sub"]!);
            return gate.Wait(TimeSpan.FromMinutes(5));
        }

        private sealed class Signatures(SlowKey owner, string algorithm) : SignatureProvider(owner.Key, algorithm)
        {
            public override byte[] Sign(byte[] input) => throw new NotSupportedException();

            public override bool Verify(byte[] input, byte[] signature) => owner.Verify(input);

            public override bool Verify(byte[] input, int inputOffset, int inputLength, byte[] signature, int signatureOffset, int signatureLength) =>
                owner.Verify(input.AsSpan(inputOffset, inputLength));

            protected override void Dispose(bool disposing)
            {
            }
        }
    }
}
