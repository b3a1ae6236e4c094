-- Ghost text of our own: what the server answers, shown at the cursor, shortened while it is typed
-- or accepted in pieces, and gone as soon as anything else happens.
local M = {}
local api = vim.api
local space = api.nvim_create_namespace('apus')

-- What is shown. text is what is left of the item, row and col (from 0, bytes) the cursor that it
-- belongs to, rest the line behind it.
local shown = nil
local items, index = {}, 1
local timer = nil
local asked = 0 -- counts requests: only the last one's answer is shown

local function place()
  local cursor = api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

local function in_insert()
  return vim.startswith(api.nvim_get_mode().mode, 'i')
end

local function wipe()
  if shown and api.nvim_buf_is_valid(shown.buf) then
    api.nvim_buf_clear_namespace(shown.buf, space, 0, -1)
  end
end

local function draw()
  wipe()
  local lines = vim.split(shown.text, '\n', { plain = true })
  local below = {}
  for i = 2, #lines do
    below[i - 1] = { { lines[i]:gsub('\t', (' '):rep(vim.bo[shown.buf].tabstop)), 'ApusGhost' } }
  end
  if #items > 1 and index > 0 then
    local last = #below > 0 and below[#below] or nil
    local count = { (' (%d/%d)'):format(index, #items), 'ApusGhost' }
    if last then
      table.insert(last, count)
    end
  end
  api.nvim_buf_set_extmark(shown.buf, space, shown.row, shown.col, {
    virt_text = { { lines[1], 'ApusGhost' } },
    virt_text_pos = 'inline',
    virt_lines = #below > 0 and below or nil,
    hl_mode = 'combine',
    right_gravity = true,
  })
end

function M.visible()
  return shown ~= nil
end

local function hide()
  wipe()
  shown = nil
end

local function stop_timer()
  if timer then
    timer:stop()
    timer:close()
    timer = nil
  end
end

function M.dismiss()
  stop_timer()
  asked = asked + 1
  items = {}
  hide()
end

-- Shows an item where the cursor is.
local function show(item)
  local row, col = place()
  local line = api.nvim_get_current_line()
  hide()
  -- what was typed since it was asked for stands there already
  local text = item.insertText
  local covered = line:sub(item.col + 1, col)
  if not vim.startswith(text, covered) or #text == #covered or vim.fn.pumvisible() == 1 then
    return
  end
  shown = {
    buf = api.nvim_get_current_buf(),
    row = row,
    col = col,
    text = text:sub(#covered + 1),
    rest = line:sub(col + 1),
  }
  draw()
end

local function request(client, method, params, handler, buf)
  if vim.fn.has('nvim-0.11') == 1 then
    return client:request(method, params, handler, buf)
  end
  return client.request(method, params, handler, buf)
end

local function cancel(client, id)
  if vim.fn.has('nvim-0.11') == 1 then
    client:cancel_request(id)
  else
    client.cancel_request(id)
  end
end

local pending = nil -- id of the request that is not answered

local function ask(kind)
  local apus = require('apus')
  local client, buf = apus.client(), api.nvim_get_current_buf()
  if not client or not client.attached_buffers[buf] or not in_insert() then
    return
  end
  asked = asked + 1
  if pending then
    cancel(client, pending)
    pending = nil
  end
  local number, tick = asked, api.nvim_buf_get_changedtick(buf)
  local row, col = place()
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = kind }
  local ok, id = request(client, 'textDocument/inlineCompletion', params, function(err, result)
    if number ~= asked then
      return -- a newer one is on its way
    end
    pending = nil
    local now_row, now_col = place()
    if err or not result or not in_insert() or api.nvim_get_current_buf() ~= buf
      or api.nvim_buf_get_changedtick(buf) ~= tick or now_row ~= row or now_col ~= col then
      return
    end
    items, index = result.items or result, 1
    for _, item in ipairs(items) do
      item.col = col -- where it was asked for: its range is empty
    end
    if items[1] then
      show(items[1])
    end
  end, buf)
  pending = ok and id or nil
end

function M.trigger()
  stop_timer()
  hide()
  ask(1)
end

function M.move(n)
  if #items < 2 or not shown then
    return
  end
  index = (index - 1 + n) % #items + 1
  show(items[index])
end

function M.accept(kind)
  if not shown then
    return
  end
  local apus = require('apus')
  local front = apus.front_of(shown.text, kind)
  local left = shown.text:sub(#front + 1)
  local buf = shown.buf
  hide()
  items = {}
  local row, col = apus.insert(front)
  if left ~= '' then
    shown = { buf = buf, row = row, col = col, text = left,
      rest = api.nvim_get_current_line():sub(col + 1) }
    draw()
  end
end

-- Whether what is shown still belongs to the cursor: it stands there, or typed what is shown.
local function still_right()
  local row, col = place()
  local line = api.nvim_get_current_line()
  if not shown or shown.buf ~= api.nvim_get_current_buf() or row ~= shown.row or col < shown.col
    or line:sub(col + 1) ~= shown.rest then
    return false
  end
  local typed = line:sub(shown.col + 1, col)
  if not vim.startswith(shown.text, typed) or typed == shown.text then
    return false
  end
  if typed ~= '' then
    shown.text = shown.text:sub(#typed + 1)
    shown.col = col
    items = {}
  end
  draw()
  return true
end

-- Something was typed, or the cursor moved.
local function on_move()
  local apus = require('apus')
  stop_timer()
  if vim.fn.pumvisible() == 1 then
    hide()
    return
  end
  if still_right() then
    return
  end
  hide()
  items = {}
  asked = asked + 1 -- whatever is on its way is stale
  if apus.config.automatic and apus.enabled then
    timer = vim.defer_fn(function()
      timer = nil
      ask(2)
    end, apus.config.debounce_ms)
  end
end

function M.attach(_, buf)
  local group = api.nvim_create_augroup('apus_ghost_' .. buf, {})
  api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'CompleteDone' }, {
    group = group,
    buffer = buf,
    callback = on_move,
  })
  api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave', 'CompleteChanged' }, {
    group = group,
    buffer = buf,
    callback = M.dismiss,
  })
  if in_insert() and api.nvim_get_current_buf() == buf then
    on_move()
  end
end

function M.detach(_, buf)
  pcall(api.nvim_del_augroup_by_name, 'apus_ghost_' .. buf)
  M.dismiss()
end

return M
