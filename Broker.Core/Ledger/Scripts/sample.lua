-- The connections were counted. Holders that ended after what was granted was looked at are counted as its own still, and may have
-- their connections open: these stay foreign until the next count.
-- asked:   capacity: number, limit: number, reserved_for_superusers: number, ceiling: number, foreign: number, stale_after: ms,
--     granted_at?: time, roles {…}
--   roles: name, over: number
-- answers: done
local since, missed = asked.granted_at or now + 1, 0
local kept = {}
for at, open in string.gmatch(call('HGET', budget, 'ended') or '', '(%d+):(%d+) ') do
  if num(at) >= since then
    missed = missed + num(open)
    kept[#kept + 1] = at .. ':' .. open .. ' '
  end
end
call('HSET', budget, 'capacity', int(asked.capacity), 'limit', int(asked.limit), 'superusers', int(asked.reserved_for_superusers), 'ceiling', int(asked.ceiling),
  'foreign', int(asked.foreign), 'stale', int(asked.stale_after), 'sampled', int(now), 'limbo', int(missed), 'ended', table.concat(kept))
for _, role in ipairs(asked.roles) do call('HSET', budget, 'over:' .. role.name, int(role.over)) end
end_holders()
serve_line()
signal('sampled')
return finish(answer.done())
