-- A lease's login was tried and worked. tried_from: when the lease was read that named the login; what the ledger lost since may have ended it.
-- asked:   lease, tried_from?: time
-- answers: ok | gone
local l = lease(asked.lease)
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return answer.gone() end
if asked.tried_from and asked.tried_from < num(epoch) then
  due('verify', l.id, now)
  return finish(answer.gone())
end
if l.verified == 0 then signal('pool:' .. l.pool) end
put(l, 'verified', math.max(now, lost + 1))
return finish(answer.ok())
