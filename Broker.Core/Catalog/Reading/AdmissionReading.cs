namespace Broker.Core.Catalog.Reading;

internal static class AdmissionReading
{
    public static AdmissionSettings Read(SectionReader reader)
    {
        var admission = new AdmissionSettings { Mode = reader.Choice<AdmissionMode>("Mode") ?? AdmissionMode.Off };
        reader.RefuseUnknownKeys();
        return admission;
    }
}
