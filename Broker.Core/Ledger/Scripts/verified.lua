-- A lease's login was tried and worked.
-- asked:   lease
-- answers: ok | gone
local l = lease(asked.lease)
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return answer.gone() end
if l.verified == 0 then signal('pool:' .. l.pool) end
put(l, 'verified', math.max(now, lost + 1))
return finish(answer.ok())
