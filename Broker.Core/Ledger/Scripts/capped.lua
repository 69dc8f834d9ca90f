-- Runs after the database was told what to let a lease's user open, or was not told.
-- asked:   lease, token, told?: number
-- answers: ok | lost | gone
local l = capped_lease(asked.lease)
if not l then return answer.gone() end
local token, till = capping(l)
if token ~= asked.token then
  local is_doubted = token == doubted(asked.token)
  if not asked.told and not is_doubted then return answer.lost() end
  -- It told the database when its turn was over, or another did so in its turn: what the database was told last is not known.
  put_cap(l, -1)
  note(l, 'capped', '0')
  if is_doubted or num(till) <= now then
    note(l, 'capping', '')
  elseif string.sub(token, -1) ~= DOUBT then
    -- Another is at it: what it sent may still be on its way, so its turn stays, and what it tells counts no more than this.
    note(l, 'capping', doubted(token) .. '|' .. till)
  end
  return finish(answer.lost())
end
if asked.told then
  put_cap(l, asked.told)
  note(l, 'capped', int(now))
end
note(l, 'capping', '')
return finish(answer.ok())
