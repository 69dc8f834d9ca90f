-- All operators' orders on roles that are in force: these roles give nothing to new callers. Their waiters are told at once. Orders
-- older than the last written ones are late and change nothing, unless the caller is sure that there are no later ones.
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
