-- The issuer gave a lease more time. ARGV: channel, lease, duration ms, the ledger's time before the issuer was asked, renewable, next renewal in ms, spread of rotations (0 to 1)
local l = lease(ARGV[2])
if not l or l.state ~= 'Active' then return { 'gone' } end
-- Issuers reckon in whole seconds, and let a user live some seconds longer than its lease: for less than that no announced end is
-- taken back (law L4).
local ends_at = num(ARGV[4]) + num(ARGV[3])
if ends_at < l.expires and l.expires - ends_at <= ROUNDING_MS then ends_at = l.expires end
put(l, 'expires', ends_at)
put(l, 'renewable', ARGV[5] == '1')
note(l, 'renew', int(now + num(ARGV[6])))
plan_rotation(l, num(ARGV[7]))
signal('pool:' .. l.pool)
return (finish({ 'ok' }))
