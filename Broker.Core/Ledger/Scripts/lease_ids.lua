-- The ids of all leases, oldest first: the living ones, followed on request by those that are over and still shown.
-- asked:   most: number, over: flag
-- answers: ids …
local ids = call('ZRANGE', order, '0', int(asked.most - 1))
if asked.over and #ids < asked.most then
  for _, id in ipairs(call('ZRANGE', over, '0', int(asked.most - #ids - 1))) do ids[#ids + 1] = id end
end
return answer{ ids = ids }
