using System.Text.Json.Serialization;

namespace LoadTests.FromInside.Mutation;

/// <summary>What became of a mutant.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MutantFate>))]
internal enum MutantFate
{
    DidNotCompile,
    KilledBySimulation,
    KilledByTests,
    Survived,

    /// <summary>It survived, and no world runs it.</summary>
    NotReached,
}

/// <summary>A mutant, what became of it, and by what.</summary>
internal sealed record MutantResult(Mutant Mutant, MutantFate Fate, string By);
