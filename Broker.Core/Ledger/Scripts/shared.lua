-- A text that all replicas share. ARGV: channel, name: answers text, its age in ms | nothing.
-- ARGV: channel, name, expected text (empty: none), new text: puts it if the expected one is there. Answers: ok | no
local text, at = string.match(call('HGET', budget, 'shared:' .. ARGV[2]) or '', '^(.-)|(%d+)$')
if not ARGV[3] then return text and { text, int(math.max(0, now - num(at))) } or {} end
if (text or '') ~= ARGV[3] then return { 'no' } end
call('HSET', budget, 'shared:' .. ARGV[2], ARGV[4] .. '|' .. int(now))
return { 'ok' }
