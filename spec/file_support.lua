--- What the specs of open files and watches need: a directory of the test's own.

local fs = require "tide.fs"
local fs_support = require "spec.fs_support"
local support = require "spec.support"

local M = {}

local directory
local opened = {}

M.fails = support.fails
M.descriptors, M.open_descriptors = fs_support.descriptors, fs_support.open_descriptors

--- The hooks of a file that uses what is below.
function M.keep(before_each, after_each)
  before_each(function()
    directory = assert(fs.mkdtemp(fs_support.root .. "/tide-spec-XXXXXX"))
  end)
  after_each(function()
    for i = #opened, 1, -1 do
      opened[i]:close()
      opened[i] = nil
    end
    assert(fs.remove(directory, { recursive = true }))
  end)
end

--- Closed when the test has ended.
function M.opens(object, ...)
  assert(object, ...)
  opened[#opened + 1] = object
  return object
end

--- In the directory; without a name: the directory.
function M.path(name)
  return name and directory .. "/" .. name or directory
end

function M.put(name, text, mode)
  local file = assert(io.open(M.path(name), mode or "wb"))
  file:write(text or "")
  file:close()
  return M.path(name)
end

--- A file of the directory, open.
function M.open(name, mode, options)
  return M.opens(fs.open(M.path(name), mode, options))
end

--- One with that text.
function M.with_text(text, mode)
  M.put("f", text)
  return M.open("f", mode or "r")
end

function M.get(name)
  local file = assert(io.open(M.path(name), "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

return M
