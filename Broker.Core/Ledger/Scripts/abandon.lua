-- A waiter gives up: its place in line and its reservation come free.
-- asked:   holder
-- answers: freed | nothing
local place, ticket = call('ZSCORE', line, asked.holder), read_ticket(asked.holder)
leave_line(asked.holder)
local h = holder(asked.holder)
local waited = h and h.phase == 'r'
if waited then drop_holder(h) end
if waited then give_up(asked.holder, '0') elseif place then give_up(asked.holder, place, ticket and ticket.since) end
end_holders()
serve_line()
return finish(waited and answer.freed() or answer.nothing())
