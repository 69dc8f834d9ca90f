-- The waiters in line for connections, in the order in which they are served.
-- asked:   most: number
-- answers: now: time, waiting {…}
--   waiting: holder, caller, want: number, least: number, ends_at: time, since?: time
local found = {}
for _, id in ipairs(call('ZRANGE', line, '0', int(asked.most - 1))) do
  local t = read_ticket(id)
  if t then found[#found + 1] = { holder = id, caller = t.caller, want = t.want, least = t.least, ends_at = t.till, since = t.since and num(t.since) * 1000 } end
end
return answer{ now = now, waiting = found }
