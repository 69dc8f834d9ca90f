-- Makes a duty due now. ARGV: channel, kind, subject
due(ARGV[2], ARGV[3], now)
return { 'ok' }
