-- Who gets how much of a database's connections: only the arithmetic, which reads and writes nothing (docs/budgets.md has the picture).
--
-- Max-min fairness: a party can only get more by taking from one that has as little or less. The algorithm fills water into vessels:
-- each party is a vessel as wide as its weight, with a floor and a lid; all are filled to one level, and where a vessel is full the rest
-- goes to the others (D. Bertsekas, R. Gallager: Data Networks, 2nd ed. 1992, 6.5.2; with floors: B. Radunović, J.-Y. Le Boudec: A Unified
-- Framework for Max-Min and Min-Max Fairness, IEEE/ACM Transactions on Networking 15 (2007), 1073-1083).
--
-- connections: all that there are to divide. parties, in a fixed order: weight, guaranteed, priority, and classes {…} of holders that
-- are alike: least, want, n (their number). Each party gets
--   share  how many connections it may have: at least what its holders cannot do without, and its guarantee as far as it wants
--          it; at most what they want. The rest is filled in, the highest priority first, by weight within one priority.
--   level  how many of them each of its holders may have: its least where that is more, its want where that is less
--   extra  how many of its holders that want more than the level may have one more: the remainder of whole numbers
-- Floors that do not fit together are kept: they are promises.
local clamp, divide
do -- a script has room for 200 local names
  function clamp(value, least, most) return math.max(least, math.min(most, value)) end

  local function by_level(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.order < b.order
  end

  -- Fills parties of one priority to one level. left: what is left beyond their floors.
  local function fill(parties, left)
    local steps, total = {}, left
    for order, p in ipairs(parties) do
      total = total + p.floor
      steps[#steps + 1] = { at = p.floor / p.weight, width = p.weight, order = order }
      steps[#steps + 1] = { at = p.lid / p.weight, width = -p.weight, order = order }
    end
    table.sort(steps, by_level)
    local level, width, room = 0, 0, left
    for _, step in ipairs(steps) do
      local needs = (step.at - level) * width
      if needs > room then break end
      room, level, width = room - needs, step.at, width + step.width
    end
    if width > 0 then level = level + room / width end

    -- Whole connections: rounded down, and the remainder goes to the parties that it raises least.
    for _, p in ipairs(parties) do
      p.share = clamp(math.floor(level * p.weight + 0.000001), p.floor, p.lid)
      total = total - p.share
    end
    while total > 0 do
      local next = nil
      for _, p in ipairs(parties) do
        if p.share < p.lid and (not next or (p.share + 1) / p.weight < (next.share + 1) / next.weight) then next = p end
      end
      if not next then break end
      next.share, total = next.share + 1, total - 1
    end
    return math.max(0, total)
  end

  local function taken_at(classes, level)
    local sum = 0
    for _, class in ipairs(classes) do sum = sum + class.n * clamp(level, class.least, class.want) end
    return sum
  end

  -- The highest level at which a party's holders stay within its share.
  local function level_out(p)
    local low, high = 0, 0
    for _, class in ipairs(p.classes) do high = math.max(high, class.want) end
    while low < high do
      local middle = math.floor((low + high + 1) / 2)
      if taken_at(p.classes, middle) <= p.share then low = middle else high = middle - 1 end
    end
    p.level, p.extra = low, math.max(0, p.share - taken_at(p.classes, low))
  end

  function divide(connections, parties)
    local left, priorities, of = connections, {}, {}
    for _, p in ipairs(parties) do
      p.floor, p.lid = 0, 0
      for _, class in ipairs(p.classes) do
        p.floor, p.lid = p.floor + class.n * class.least, p.lid + class.n * class.want
      end
      p.floor = math.max(p.floor, math.min(p.guaranteed, p.lid))
      left = left - p.floor
      if not of[p.priority] then
        of[p.priority] = {}
        priorities[#priorities + 1] = p.priority
      end
      table.insert(of[p.priority], p)
    end
    table.sort(priorities, function(a, b) return a > b end)
    left = math.max(0, left)
    for _, priority in ipairs(priorities) do left = fill(of[priority], left) end
    for _, p in ipairs(parties) do level_out(p) end
  end
end
