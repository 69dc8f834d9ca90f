-- A holder leaves, or a waiter that will not come again.
-- asked:   holder
-- answers: released (lease, connections: number) | nothing
leave_line(asked.holder)
local h = holder(asked.holder)
local reply = answer.nothing()
if h then
  reply = answer.released{ lease = h.lease, connections = h.connections }
  drop_holder(h)
end
local shadow = holder(asked.holder .. '~')
if shadow then drop_holder(shadow) end
end_holders()
serve_line()
return finish(reply)
