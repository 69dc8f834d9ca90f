-- What was written down, for each id; of a text that whoever asks knows by its last letters, that it is the same.
-- asked:   reads {…}
--   reads: id, known?
-- answers: verdicts {…}
--   verdicts: found (ends_in: ms, text) | same (ends_in: ms) | none
local verdicts = {}
for i, read in ipairs(asked.reads) do
  local left = ends_in(read.id)
  local text = left and string.match(call('HGET', records, read.id), '^[^|]*|(.*)$')
  if not left then verdicts[i] = verdict.none()
  elseif read.known and string.sub(text, -#read.known) == read.known then verdicts[i] = verdict.same{ ends_in = left }
  else verdicts[i] = verdict.found{ ends_in = left, text = text } end
end
return answer{ verdicts = verdicts }
