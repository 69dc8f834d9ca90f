-- Operators' orders on roles, all that are in force: who gives nothing to anybody new. Who waits for one of them is told at once. Orders
-- before those that were written last are late, and change nothing; unless it is sure that there are no later ones.
-- asked:   version: number, sure: flag, roles {…}
--   roles: name, state
-- answers: done | late
local text = ''
for _, role in ipairs(asked.roles) do text = text .. ',' .. role.name .. '=' .. role.state .. ',' end
if asked.version < num(call('HGET', budget, 'paused_version')) and not asked.sure then return answer.late() end
if text ~= (call('HGET', budget, 'paused') or '') then
  if text == '' then call('HDEL', budget, 'paused') else call('HSET', budget, 'paused', text) end
  call('HSET', budget, 'paused_version', int(asked.version))
  wrote()
  serve_line()
  signal('line')
end
return finish(answer.done())
