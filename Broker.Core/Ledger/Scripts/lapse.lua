-- The login of a lease without holders is not tried while nobody needs it: the first to come has it tried before it is given (law L3). When
-- holders of an earlier lease are to come to it, the login is tried further: they find it as good as it was.
-- asked:   lease
-- answers: ok | gone
local l = lease(asked.lease)
if not l or l.state ~= 'Active' or l.holders > 0 or awaited(l) then return answer.gone() end
put(l, 'verified', 0)
return finish(answer.ok())
