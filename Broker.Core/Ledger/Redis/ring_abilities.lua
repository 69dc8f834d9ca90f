-- Tries what the sealing keys need, and changes nothing. KEYS: their list.
-- Answers the command, the list, and Redis' words, for each that failed.
local failed = {}
local read = redis.pcall('LRANGE', KEYS[1], '0', '0')
if type(read) == 'table' and read.err then failed = { 'LRANGE', KEYS[1], read.err } end
-- Nothing can be pushed that would not stay: from version 7 on Redis is asked, and before it nobody knows until a key is due.
if redis.acl_check_cmd and not redis.acl_check_cmd('RPUSH', KEYS[1], '') then
  for _, word in ipairs({ 'RPUSH', KEYS[1], "NOPERM this user has no permissions to run the 'rpush' command" }) do failed[#failed + 1] = word end
end
return failed
