-- The issuer answered: write down what was made before anything else is done with it (law L5).
-- ARGV: channel, lease, fence, issuer's id, user name, sealed login, life ms, the ledger's time when the issuer was asked, renewable (1|0)
-- Answers: ok | superseded (another attempt has taken over; what was made is noted where the lease is still known) | gone
local l = lease(ARGV[2])
if not l then return { 'gone' } end
note(l, 'ref', ARGV[4])
note(l, 'user', ARGV[5])
if l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then
  due('reap', l.id, now)
  return (finish({ 'superseded' }))
end
note(l, 'login', ARGV[6])
put(l, 'life', num(ARGV[7]))
put(l, 'expires', num(ARGV[8]) + num(ARGV[7])) -- never later than the issuer's own end, however long the answer took to get here
put(l, 'renewable', ARGV[9] == '1')
return (finish({ 'ok' }))
