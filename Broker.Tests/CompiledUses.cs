using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Broker.Tests;

/// <summary>Which types of some assemblies use which others of them, as compiled: in signatures, in fields, and in the code of methods.</summary>
internal static class CompiledUses
{
    private const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> OpCodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    /// <summary>Each use once: who uses, and what. Types nested in another count as that one.</summary>
    public static IReadOnlySet<(Type User, Type Used)> Of(params Assembly[] assemblies)
    {
        var uses = new HashSet<(Type, Type)>();
        foreach (var type in assemblies.SelectMany(static assembly => assembly.GetTypes()))
        {
            var user = Outermost(type);
            foreach (var used in UsedBy(type).SelectMany(Parts).Where(used => assemblies.Contains(used.Assembly)).Select(Outermost))
            {
                if (used != user) uses.Add((user, used));
            }
        }

        return uses;
    }

    /// <summary>The texts in those methods of an assembly that call a method of a name, whoever has it.</summary>
    public static IReadOnlySet<string> TextsBeside(Assembly assembly, string called)
    {
        using var file = new PEReader(File.OpenRead(assembly.Location));
        var reader = file.GetMetadataReader();
        var texts = new HashSet<string>(StringComparer.Ordinal);
        foreach (var method in reader.MethodDefinitions.Select(reader.GetMethodDefinition).Where(static method => method.RelativeVirtualAddress != 0))
        {
            var tokens = Tokens(file.GetMethodBody(method.RelativeVirtualAddress).GetILBytes()!).ToList();
            if (tokens.Any(token => NameOf(reader, token) == called))
                texts.UnionWith(tokens.Where(IsText).Select(token => reader.GetUserString((UserStringHandle)MetadataTokens.Handle(token))));
        }

        return texts;
    }

    private static bool IsText(int token) => token >> 24 == 0x70;

    private static string? NameOf(MetadataReader reader, int token) => IsText(token) ? null : MetadataTokens.EntityHandle(token) switch
    {
        { Kind: HandleKind.MemberReference } member => reader.GetString(reader.GetMemberReference((MemberReferenceHandle)member).Name),
        { Kind: HandleKind.MethodDefinition } method => reader.GetString(reader.GetMethodDefinition((MethodDefinitionHandle)method).Name),
        _ => null,
    };

    private static IEnumerable<Type> UsedBy(Type type)
    {
        if (type.BaseType is { } parent) yield return parent;
        foreach (var seam in type.GetInterfaces()) yield return seam;
        foreach (var field in type.GetFields(All)) yield return field.FieldType;
        foreach (var method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)))
        {
            if (method is MethodInfo { ReturnType: var answer }) yield return answer;
            foreach (var parameter in method.GetParameters()) yield return parameter.ParameterType;
            foreach (var used in InCode(method)) yield return used;
        }
    }

    private static IEnumerable<Type> InCode(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body) yield break;
        foreach (var local in body.LocalVariables) yield return local.LocalType;
        foreach (var token in Tokens(body.GetILAsByteArray()!).Where(static token => !IsText(token)))
        {
            var typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
            var member = method.Module.ResolveMember(token, typeArguments, method.IsGenericMethod ? method.GetGenericArguments() : null);
            if (member is Type type) yield return type;
            if (member?.DeclaringType is { } declaring) yield return declaring;
            if (member is FieldInfo { FieldType: var held }) yield return held;
            if (member is MethodInfo { ReturnType: var answer } called)
            {
                yield return answer;
                if (called.IsGenericMethod) foreach (var argument in called.GetGenericArguments()) yield return argument;
            }
        }
    }

    // ECMA-335 III.1: an instruction is one or two bytes, then an operand whose size the instruction decides.
    private static IEnumerable<int> Tokens(byte[] code)
    {
        for (var at = 0; at < code.Length;)
        {
            var value = code[at] == 0xFE ? unchecked((short)(0xFE00 | code[at + 1])) : code[at];
            var instruction = OpCodes[value];
            at += instruction.Size;
            switch (instruction.OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineType or OperandType.InlineTok or OperandType.InlineString:
                    yield return BitConverter.ToInt32(code, at);
                    at += 4;
                    break;
                case OperandType.InlineSwitch:
                    at += 4 + 4 * BitConverter.ToInt32(code, at);
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    at += 8;
                    break;
                case OperandType.InlineVar:
                    at += 2;
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    at += 1;
                    break;
                case OperandType.InlineNone:
                    break;
                default:
                    at += 4;
                    break;
            }
        }
    }

    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType) return Parts(type.GetElementType()!);
        if (type.IsGenericParameter) return [];
        return type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Prepend(type.GetGenericTypeDefinition()) : [type];
    }

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;
}
