-- Issue, renew and revoke run a few at a time (law L12). ARGV: channel, name, take | land, most, for ms. Answers: ok | busy
if ARGV[3] == 'land' then
  call('ZREM', flights, ARGV[2])
  return { 'ok' }
end
call('ZREMRANGEBYSCORE', flights, '-inf', int(now))
if num(call('ZCARD', flights)) >= num(ARGV[4]) then return { 'busy' } end
call('ZADD', flights, int(now + num(ARGV[5])), ARGV[2])
return { 'ok' }
