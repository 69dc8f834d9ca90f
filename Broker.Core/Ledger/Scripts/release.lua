-- A holder leaves, or a waiter that will not come again.
-- asked:   holder, till?: time
-- answers: released (lease, connections: number, ends_in: ms) | nothing | late
-- till: until when somebody waits for this. Its holder may have come again since: a claim that repeats what it has writes nothing, so that no mark
-- tells which of the two was first.
if asked.till and now > asked.till then return finish(answer.late()) end
local RELEASES_KEPT_MS = 600000 -- a release is remembered for this long
leave_line(asked.holder)
local h = holder(asked.holder)
local reply = answer.nothing()
if h then
  reply = answer.released{ lease = h.lease, connections = h.connections, ends_in = math.max(0, h.till - now) }
  tell(h)
  drop_holder(h)
  signal('size:' .. asked.holder) -- it has no connections any more: its watcher hears at once that it was ended
end
local shadow = holder(asked.holder .. '~')
if shadow then
  tell(shadow)
  drop_holder(shadow)
end
end_holders()
serve_line()
wrote()
finish(reply)
-- The ledger may have lost this holder, and another replica may remember it.
if not h then pcall(call, 'PUBLISH', channel, 'holder:' .. int(mark) .. ':' .. asked.holder) end
-- Release is final: a claim sent earlier, by a replica that had seen only earlier changes, brings nothing back.
call('ZREMRANGEBYSCORE', released, '-inf', int(mark - RELEASES_KEPT_MS))
call('ZADD', released, int(mark), asked.holder)
call('HSET', budget, 'newest_release', int(mark))
return reply
