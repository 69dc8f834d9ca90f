-- The connections were counted. ARGV: channel, capacity, limit, reserved for superusers, ceiling, foreign, stale after ms,
-- then per role: its name, connections that its users have open beyond what was granted
call('HSET', budget, 'capacity', ARGV[2], 'limit', ARGV[3], 'superusers', ARGV[4], 'ceiling', ARGV[5], 'foreign', ARGV[6], 'stale', ARGV[7], 'sampled', int(now))
for i = 8, #ARGV, 2 do call('HSET', budget, 'over:' .. ARGV[i], ARGV[i + 1]) end
end_holders()
serve_line()
signal('sampled')
return (finish({}))
