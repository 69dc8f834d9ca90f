-- The connections were counted. ARGV: channel, capacity, limit, reserved for superusers, ceiling, foreign, stale after ms, when what
-- was granted was looked at (0: now), then per role: its name, connections that its users have open beyond what was granted
-- Who has ended since is counted as its own still, and may have its connections open: they stay foreign until the next count.
local since, missed = ARGV[8] == '0' and now + 1 or num(ARGV[8]), 0
local kept = {}
for at, open in string.gmatch(call('HGET', budget, 'ended') or '', '(%d+):(%d+) ') do
  if num(at) >= since then
    missed = missed + num(open)
    kept[#kept + 1] = at .. ':' .. open .. ' '
  end
end
call('HSET', budget, 'capacity', ARGV[2], 'limit', ARGV[3], 'superusers', ARGV[4], 'ceiling', ARGV[5], 'foreign', ARGV[6], 'stale', ARGV[7],
  'sampled', int(now), 'limbo', int(missed), 'ended', table.concat(kept))
for i = 9, #ARGV, 2 do call('HSET', budget, 'over:' .. ARGV[i], ARGV[i + 1]) end
end_holders()
serve_line()
signal('sampled')
return (finish({}))
