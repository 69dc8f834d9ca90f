-- The holders that end first, of one lease. ARGV: channel, lease, most to look at. Answers: id, connections, end, phase, caller …
tidy()
local ids = call('ZRANGE', ends, '0', int(num(ARGV[3]) - 1))
local reply = {}
for _, id in ipairs(ids) do
  local h = holder(id)
  if h and h.lease == ARGV[2] then
    reply[#reply + 1] = id
    reply[#reply + 1] = int(h.connections)
    reply[#reply + 1] = int(h.till)
    reply[#reply + 1] = h.phase
    reply[#reply + 1] = h.caller
  end
end
return finish(reply)
