-- The record of each id; when the caller knows a text by its last letters, only that it is the same.
-- asked:   reads {…}
--   reads: id, known?
-- answers: verdicts {…}
--   verdicts: found (ends_in: ms, text) | same (ends_in: ms) | none
local ids, verdicts = {}, {}
for i, read in ipairs(asked.reads) do ids[i] = read.id end
local there = call('HMGET', records, unpack(ids))
for i, read in ipairs(asked.reads) do
  local text = there[i] and string.match(there[i], '^[^|]*|(.*)$')
  local left = text and ends_in(read.id)
  if not left then verdicts[i] = verdict.none()
  elseif read.known and string.sub(text, -#read.known) == read.known then verdicts[i] = verdict.same{ ends_in = left }
  else verdicts[i] = verdict.found{ ends_in = left, text = text } end
end
return answer{ verdicts = verdicts }
