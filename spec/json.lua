--- A strict parser of JSON, for what the specs read back.

local M = {}

local value

local function fail(text, at, message)
  error(("JSON at %d: %s, near %q"):format(at, message, text:sub(at, at + 20)), 0)
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r",
  t = "\t" }

--- Whether it is UTF-8, as far as the lengths of its characters go.
local function is_utf8(s)
  if not s:find("[\128-\255]") then
    return true
  end
  s = s:gsub("[\194-\223][\128-\191]", ""):gsub("[\224-\239][\128-\191][\128-\191]", "")
  return not s:gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", ""):find("[\128-\255]")
end

local function string_at(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('["\\%c]', from)
    if not stop then
      fail(text, at, "a string does not end")
    end
    parts[#parts + 1] = text:sub(from, stop - 1)
    local char = text:sub(stop, stop)
    if char == '"' then
      break
    elseif char ~= "\\" then
      fail(text, stop, "a control character in a string")
    end
    local escaped = text:sub(stop + 1, stop + 1)
    local code = text:match("^u(%x%x%x%x)", stop + 1)
    if code then
      parts[#parts + 1] = "<" .. code .. ">"
    elseif ESCAPES[escaped] then
      parts[#parts + 1] = ESCAPES[escaped]
    else
      fail(text, stop, "an escape that is none")
    end
    from = stop + (code and 6 or 2)
  end
  local s = table.concat(parts)
  if not is_utf8(s) then
    fail(text, at, "no UTF-8")
  end
  return s, text:find('"', from + #parts[#parts], true) + 1
end

--- The entries between brackets, each read by entry(at): value, next place.
local function list_at(text, at, last, entry)
  at = skip(text, at + 1)
  if text:sub(at, at) == last then
    return at + 1
  end
  while true do
    at = skip(text, entry(skip(text, at)))
    local char = text:sub(at, at)
    at = at + 1
    if char == last then
      return at
    elseif char ~= "," then
      fail(text, at - 1, "',' or '" .. last .. "' expected")
    end
  end
end

local function array_at(text, at)
  local array = {}
  return array, list_at(text, at, "]", function(place)
    local v, after = value(text, place)
    array[#array + 1] = v
    return after
  end)
end

local function object_at(text, at)
  local object = {}
  return object, list_at(text, at, "}", function(place)
    if text:sub(place, place) ~= '"' then
      fail(text, place, "a key expected")
    end
    local key, after = string_at(text, place)
    after = skip(text, after)
    if text:sub(after, after) ~= ":" or object[key] ~= nil then
      fail(text, place, "no ':', or a key twice")
    end
    object[key], after = value(text, skip(text, after + 1))
    return after
  end)
end

local WORDS = { ["true"] = true, ["false"] = false }

function value(text, at)
  local char = text:sub(at, at)
  if char == '"' then
    return string_at(text, at)
  elseif char == "[" then
    return array_at(text, at)
  elseif char == "{" then
    return object_at(text, at)
  end
  local number = text:match("^%-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if number and not number:find("^%-?0%d") and not number:find("%.$") then
    return tonumber(number), at + #number
  end
  local word = text:match("^%a+", at)
  if WORDS[word] == nil then
    fail(text, at, "a value expected")
  end
  return WORDS[word], at + #word
end

--- The value that `text` is; an error if it is no JSON. An escape \uXXXX is read
-- as <XXXX>; null is not taken.
function M.parse(text)
  local v, at = value(text, skip(text, 1))
  if skip(text, at) <= #text then
    fail(text, at, "more text")
  end
  return v
end

return M
