-- The login of a lease that nobody holds is not tried while nobody needs it: whoever comes first has it tried before it is given (law L3). One that
-- holders of the lease before are to come to goes on being tried: they find it as good as it was.
-- asked:   lease
-- answers: ok | gone
local l = lease(asked.lease)
if not l or l.state ~= 'Active' or l.holders > 0 or awaited(l) then return answer.gone() end
put(l, 'verified', 0)
return finish(answer.ok())
