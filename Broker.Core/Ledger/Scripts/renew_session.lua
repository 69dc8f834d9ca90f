-- Extends a session, up to its longest lifetime.
-- asked:   id, lifetime: ms
-- answers: renewed (ends_in: ms) | none
if not ends_in(asked.id) then return answer.none() end
local till = math.min(now + asked.lifetime, (session(asked.id)))
if till > num(call('ZSCORE', session_ends, asked.id)) then call('ZADD', session_ends, int(till), asked.id) end
return answer.renewed{ ends_in = ends_in(asked.id) }
