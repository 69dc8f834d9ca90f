-- Runs after the database was told what to let a lease's user open, or was not told.
-- asked:   lease, token, told?: number
-- answers: ok | lost | gone
local l = capped_lease(asked.lease)
if not l then return answer.gone() end
if capping(l) ~= asked.token then
  if not asked.told then return answer.lost() end
  -- The turn was over when it told the database: what the database was told last, this or what another tells it in a turn of its own, is not known.
  put_cap(l, -1)
  note(l, 'capped', '0')
  note(l, 'capping', '')
  return finish(answer.lost())
end
if asked.told then
  put_cap(l, asked.told)
  note(l, 'capped', int(now))
end
note(l, 'capping', '')
return finish(answer.ok())
