-- Tries what the sealing keys need, and changes nothing. KEYS: their list.
-- Answers the command, the list, and Redis' words, for each failure.
local failed = {}
local read = redis.pcall('LRANGE', KEYS[1], '0', '0')
if type(read) == 'table' and read.err then failed = { 'LRANGE', KEYS[1], read.err } end
-- A push would stay in the list, so none is tried: Redis 7 and later are asked instead; an earlier Redis shows it only when a key is due.
if redis.acl_check_cmd and not redis.acl_check_cmd('RPUSH', KEYS[1], '') then
  for _, word in ipairs({ 'RPUSH', KEYS[1], "NOPERM this user has no permissions to run the 'rpush' command" }) do failed[#failed + 1] = word end
end
return failed
