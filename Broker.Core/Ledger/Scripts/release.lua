-- A holder leaves, or a waiter that will not come again.
-- asked:   holder
-- answers: released (lease, connections: number, sequence: number) | nothing (sequence: number)
leave_line(asked.holder)
local h = holder(asked.holder)
local had = h and { lease = h.lease, connections = h.connections }
if h then drop_holder(h) end
local shadow = holder(asked.holder .. '~')
if shadow then drop_holder(shadow) end
end_holders()
serve_line()
local _, changed = finish()
-- Release is final: a claim that was sent before, by a replica that had seen no more than came before this, brings nothing back.
local sequence = changed and num(call('HGET', budget, 'seq')) or tonumber(call('HINCRBY', budget, 'seq', '1'))
call('ZREMRANGEBYSCORE', released, '-inf', int(sequence - RELEASES_KEPT))
call('ZADD', released, int(sequence), asked.holder)
call('HSET', budget, 'newest_release', int(sequence))
if not had then return answer.nothing{ sequence = sequence } end
had.sequence = sequence
return answer.released(had)
