-- Ends a lease whose end has come, or whom nobody holds any more. ARGV: channel, lease, idle ms while it takes holders
-- Answers: moved, state, why | later, ms | gone
end_holders()
serve_line()
local l = lease(ARGV[2])
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return (finish({ 'gone' })) end
local function ended(to, why)
  move(l, to, why)
  return (finish({ 'moved', to, why }))
end
if l.expires <= now then return ended('Expired', 'its end came') end
-- Nor while replicas put back what the ledger lost: they may know of holders.
if budget_numbers().quiet > now then return (finish({ 'later', int(budget_numbers().quiet - now + 1) })) end
if l.holders > 0 then return (finish({ 'later', int(l.expires - now) })) end
local lingers = num(call('HGET', leases, l.id .. ':linger')) - now
if lingers > 0 then return (finish({ 'later', int(lingers + 1) })) end
if l.state == 'Retiring' then return ended('Revoking', '') end
-- One that takes no holders because it was full once waits for nobody.
local idle = pool(l.pool).taker == l.id and num(ARGV[3]) or math.min(num(ARGV[3]), KEEP_MS)
local ends_at = math.max(num(call('HGET', leases, l.id .. ':empty')) + idle, num(call('HGET', leases, l.id .. ':issued')) + RESERVED_MS)
if ends_at > now then return (finish({ 'later', int(math.min(l.expires, ends_at) - now) })) end
move(l, 'Retiring', 'nobody holds it')
return ended('Revoking', '')
