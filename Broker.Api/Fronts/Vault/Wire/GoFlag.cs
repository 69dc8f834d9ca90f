namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>Boolean values as Go reads them (strconv <c>ParseBool</c>); an empty text is no.</summary>
internal static class GoFlag
{
    public static bool TryParse(string text, out bool flag)
    {
        flag = text is "1" or "t" or "T" or "TRUE" or "true" or "True";
        return flag || text is "" or "0" or "f" or "F" or "FALSE" or "false" or "False";
    }
}
