-- The text of a session.
-- asked:   id
-- answers: found (text, ends_in: ms) | none
local left = ends_in(asked.id)
if not left then return answer.none() end
local _, text = session(asked.id)
return answer.found{ text = text, ends_in = left }
