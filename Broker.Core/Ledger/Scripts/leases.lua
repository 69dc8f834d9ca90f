-- The leases, oldest first, or one of them. ARGV: channel, most, [lease]. Answers: now, then the id and the fields of each.
local FIELDS = { 'role', 'pool', 'state', 'user', 'ref', 'login', 'issued', 'verified', 'expires', 'renew', 'renewable', 'holders', 'connections', 'why', 'empty', 'life', 'attempt', 'begun', 'idle', 'created', 'shut', 'max', 'cap', 'capped' }
tidy()
finish({})
local ids = ARGV[3] and { ARGV[3] } or call('ZRANGE', order, '0', int(num(ARGV[2]) - 1))
local reply = { int(now) }
for _, id in ipairs(ids) do
  local names = {}
  for i, field in ipairs(FIELDS) do names[i] = id .. ':' .. field end
  local v = call('HMGET', leases, unpack(names))
  if v[3] then
    reply[#reply + 1] = id
    for i = 1, #FIELDS do reply[#reply + 1] = v[i] or '' end
  end
end
return reply
