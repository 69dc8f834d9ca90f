-- A text that all replicas share: text|since when.
-- asked:   name
-- answers: found (text, put_at: time, now: time) | none
local text, at = string.match(call('HGET', budget, 'shared:' .. asked.name) or '', '^(.-)|(%d+)$')
if not text then return answer.none() end
return answer.found{ text = text, put_at = num(at), now = now }
