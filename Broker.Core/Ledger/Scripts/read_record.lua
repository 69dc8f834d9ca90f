-- What was written down.
-- asked:   id
-- answers: found (text, ends_in: ms) | none
local left = ends_in(asked.id)
if not left then return answer.none() end
return answer.found{ text = string.match(call('HGET', records, asked.id), '^[^|]*|(.*)$'), ends_in = left }
