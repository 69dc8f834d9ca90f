-- Writes a record anew, and lets it live so long from now.
-- asked:   id, text, lasts: ms
-- answers: renewed | none
if not ends_in(asked.id) then return answer.none() end
local of = string.match(call('HGET', records, asked.id), '^([^|]*)|')
call('HSET', records, asked.id, of .. '|' .. asked.text)
call('ZADD', record_ends, int(now + asked.lasts), asked.id)
return answer.renewed()
