-- Puts a text that all replicas share in the place of another, if the expected one is there (none: if there is none).
-- asked:   name, expected?, following
-- answers: ok | changed
local text = string.match(call('HGET', budget, 'shared:' .. asked.name) or '', '^(.-)|%d+$')
if text ~= asked.expected then return answer.changed() end
call('HSET', budget, 'shared:' .. asked.name, asked.following .. '|' .. int(now))
return answer.ok()
