-- The attempt failed. ARGV: channel, lease, fence, Failed | Unknown, why, floor ms, most ms
-- The pool issues nothing more for a while that doubles with each failure in a row (law L12). Answers: ms until then | superseded
local l = lease(ARGV[2])
if not l or l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then return { 'superseded' } end
local failures = tonumber(call('HINCRBY', pools, l.pool .. '|failures', '1'))
local pause = math.min(num(ARGV[7]), num(ARGV[6]) * 2 ^ math.min(failures - 1, 20))
call('HSET', pools, l.pool .. '|cooling', int(now + pause) .. '|' .. ARGV[5])
call('ZREM', flights, 'lease:' .. l.id)
move(l, ARGV[4], ARGV[5])
return (finish({ int(pause) }))
