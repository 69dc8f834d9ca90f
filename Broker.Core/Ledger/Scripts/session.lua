-- Sessions of pipelines; kept apart from every database, under a name of their own. A session is its text and its end.
-- open:   ARGV: channel, 'open', id, text, lifetime ms, longest lifetime ms, most, hash of the token given for it, that token's
--         time left in ms.                                      Answers: ok, ends in ms | used | full, next end in ms
-- read:   ARGV: channel, 'read', id.                            Answers: text, ends in ms | nothing
-- renew:  ARGV: channel, 'renew', id, lifetime ms.              Answers: ends in ms | nothing
-- revoke: ARGV: channel, 'revoke', id.                          Answers: ok | nothing
local verb, id = ARGV[2], ARGV[3]

-- leases: id -> last end|text; holders: hash of a token that was exchanged -> its end; order and ends: both by their ends.
local function sweep(set, hash)
  for _, over in ipairs(call('ZRANGEBYSCORE', set, '-inf', int(now), 'LIMIT', '0', '100')) do
    call('ZREM', set, over)
    call('HDEL', hash, over)
  end
end
sweep(order, leases)
sweep(ends, holders)

local function ends_in()
  local till = call('ZSCORE', order, id)
  return till and tonumber(till) > now and int(tonumber(till) - now) or nil
end

if verb == 'open' then
  local text, life, longest, most, token, left = ARGV[4], num(ARGV[5]), num(ARGV[6]), num(ARGV[7]), ARGV[8], num(ARGV[9])
  if call('HGET', holders, token) then return { 'used' } end
  if call('ZCARD', order) >= most then
    return { 'full', int(math.max(0, num(call('ZRANGE', order, '0', '0', 'WITHSCORES')[2]) - now)) }
  end
  call('HSET', holders, token, int(now + left))
  call('ZADD', ends, int(now + left), token)
  call('HSET', leases, id, int(now + longest) .. '|' .. text)
  call('ZADD', order, int(now + math.min(life, longest)), id)
  return { 'ok', ends_in() }
end

if verb == 'read' then
  local left = ends_in()
  if not left then return {} end
  return { string.match(call('HGET', leases, id) or '', '^%d+|(.*)$') or '', left }
end

if verb == 'renew' then
  if not ends_in() then return {} end
  local last = num(string.match(call('HGET', leases, id) or '', '^(%d+)|'))
  local till = math.min(now + num(ARGV[4]), last)
  if till > num(call('ZSCORE', order, id)) then call('ZADD', order, int(till), id) end
  return { ends_in() }
end

if not ends_in() then return {} end
call('ZREM', order, id)
call('HDEL', leases, id)
signal(id)
return finish({ 'ok' })
