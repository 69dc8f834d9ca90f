-- A holder leaves, or a waiter gives up. ARGV: channel, holder, all | reserved (only what is not yet given)
-- Answers: lease, connections | nothing
leave_line(ARGV[2])
local h = holder(ARGV[2])
local reply = {}
if h and (ARGV[3] == 'all' or h.phase == 'r') then
  reply = { h.lease, int(h.connections) }
  drop_holder(h)
end
local shadow = ARGV[3] == 'all' and holder(ARGV[2] .. '~')
if shadow then drop_holder(shadow) end
end_holders()
serve_line()
return (finish(reply))
