-- A text that all replicas share: text|since when.
-- asked:   name
-- answers: found (text, put_at: time, now: time) | none
keep_voices() -- whoever only reads and writes texts (Agreement.cs) speaks here and nowhere else
local text, at = string.match(call('HGET', budget, 'shared:' .. asked.name) or '', '^(.-)|(%d+)$')
if not text then return answer.none() end
return answer.found{ text = text, put_at = num(at), now = now }
