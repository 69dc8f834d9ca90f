-- Tries each command that the scripts of decisions call, and the others that the broker needs, on one database's keys and channel, and changes nothing: Redis checks the user's
-- rights first, and only then finds that there is nothing to do, or that the words make no sense.
-- KEYS: the first of the database's keys. ARGV: its channel, the number of Redis' own database, the other keys; none: nothing is tried.
-- Answers the command, what it was tried on, and Redis' words, for each failure.
local failed = {}
if #ARGV == 0 then return failed end

local function try(on, command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) ~= 'table' or not answer.err then return true end
  for _, word in ipairs({ command, on, answer.err }) do failed[#failed + 1] = word end
  return not string.find(answer.err, 'WRONGTYPE', 1, true)
end

local nothing = '~abilities' -- no field or member has this name
local function try_key(key)
  -- A key that is neither a hash nor a sorted set skips the other commands: each refusal would count as an error in Redis' statistics.
  if try(key, 'HGET', key, nothing) then
    try(key, 'HMGET', key, nothing)
    try(key, 'HGETALL', key)
    try(key, 'HDEL', key, nothing)
    try(key, 'HSET', key, nothing, '', 'a field without a value')
    try(key, 'HINCRBY', key, nothing, 'no number')
  end
  if try(key, 'ZCARD', key) then
    try(key, 'ZSCORE', key, nothing)
    try(key, 'ZRANK', key, nothing)
    try(key, 'ZRANGE', key, '0', '0')
    try(key, 'ZRANGEBYSCORE', key, '(0', '(0')
    try(key, 'ZREM', key, nothing)
    try(key, 'ZREMRANGEBYSCORE', key, '(0', '(0')
    try(key, 'ZADD', key, 'XX', '0', nothing)
  end
end

if ARGV[2] ~= '0' then try('database ' .. ARGV[2], 'SELECT', ARGV[2]) end
try('the server', 'TIME')
try('the server', 'PING') -- by the client, which gives its connection up when it is refused
try('the server', 'ECHO', nothing) -- likewise, when it connects
try(ARGV[1], 'PUBLISH', ARGV[1], 'hear:' .. nothing)
try_key(KEYS[1])
for i = 3, #ARGV do try_key(ARGV[i]) end
return failed
