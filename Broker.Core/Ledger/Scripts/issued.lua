-- The issuer answered: write down what was made before anything else is done with it (law L5). What an attempt made that was
-- overtaken is noted where the lease is still known.
-- asked:   lease, fence: number, issuer_id, username, sealed_login, life: ms, asked: time, renewable: flag
-- answers: ok | overtaken | gone
local l = lease(asked.lease)
if not l then return answer.gone() end
note(l, 'ref', asked.issuer_id)
note(l, 'user', asked.username)
if l.state ~= 'Issuing' or l.fence ~= asked.fence then
  due('reap', l.id, now)
  return finish(answer.overtaken())
end
note(l, 'login', asked.sealed_login)
put(l, 'life', asked.life)
put(l, 'expires', asked.asked + asked.life) -- never later than the issuer's own end, however long the answer took to get here
put(l, 'renewable', asked.renewable)
return finish(answer.ok())
