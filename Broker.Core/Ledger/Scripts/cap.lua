-- How many connections the database itself lets a lease's user open. Who changes that does so alone, by a token that runs out.
-- ARGV: channel, lease, take, token, for ms   Answers: taken, connections, cap, user name, free | busy, ms | gone
-- ARGV: channel, lease, lower, token, cap     Before the database is told: from now on a claim asks for more. Answers: ok, cap | lost
-- ARGV: channel, lease, done, token, cap      After it was told (empty: it was not; -1: no cap any more). Answers: ok | lost
local l = lease(ARGV[2])
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return { 'gone' } end
local token, till = string.match(call('HGET', leases, l.id .. ':capping') or '', '^(.-)|(%d+)$')
if ARGV[3] == 'take' then
  if token and token ~= ARGV[4] and num(till) > now then return { 'busy', int(num(till) - now) } end
  note(l, 'capping', ARGV[4] .. '|' .. int(now + num(ARGV[5])))
  local user = call('HGET', leases, l.id .. ':user') or ''
  return (finish({ 'taken', int(l.connections), int(l.cap), user, int(math.max(0, (free()))) }))
end
if token ~= ARGV[4] then return { 'lost' } end
if ARGV[3] == 'lower' then
  put(l, 'cap', math.max(num(ARGV[5]), l.connections))
  return (finish({ 'ok', int(l.cap) }))
end
if ARGV[5] ~= '' then
  put(l, 'cap', num(ARGV[5]))
  note(l, 'capped', int(now))
end
note(l, 'capping', '')
return (finish({ 'ok' }))
