-- A lease's login was tried and worked. ARGV: channel, lease. Answers: ok | gone
local l = lease(ARGV[2])
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return { 'gone' } end
if l.verified == 0 then signal('pool:' .. l.pool) end
put(l, 'verified', now)
return (finish({ 'ok' }))
