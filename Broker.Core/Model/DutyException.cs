namespace Broker.Core.Model;

/// <summary>A duty could not be done; the message says why and what somebody can do.</summary>
internal sealed class DutyException(string message, Exception? inner = null) : Exception(message, inner);
