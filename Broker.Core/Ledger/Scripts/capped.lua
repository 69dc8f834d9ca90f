-- Runs after the database was told what to let a lease's user open, or was not told.
-- asked:   lease, token, told?: number
-- answers: ok | lost | gone
local l = capped_lease(asked.lease)
if not l then return answer.gone() end
if capping(l) ~= asked.token then return answer.lost() end
if asked.told then
  put_cap(l, asked.told)
  note(l, 'capped', int(now))
end
note(l, 'capping', '')
return finish(answer.ok())
