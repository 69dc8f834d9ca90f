-- Replaces a text that all replicas share, if the present one is as expected (none: if there is none). A later text has a
-- later time, even when the ledger's clock fell back.
-- asked:   name, expected?, following, put_at?: time
-- answers: ok (put_at: time) | changed
local text, at = string.match(call('HGET', budget, 'shared:' .. asked.name) or '', '^(.-)|(%d+)$')
if text ~= asked.expected then return answer.changed() end
local put_at = asked.put_at or math.max(now, num(at) + 1)
call('HSET', budget, 'shared:' .. asked.name, asked.following .. '|' .. int(put_at))
wrote()
return finish(answer.ok{ put_at = put_at })
