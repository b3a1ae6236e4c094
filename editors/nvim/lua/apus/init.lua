-- Completion by `apus lsp`: starts the server, gives it buffers, and binds the keys. What is shown
-- comes from apus.ghost, or from apus.native where Neovim has inline completion of its own (0.12).
local M = {}

M.defaults = {
  cmd = { 'apus', 'lsp' }, -- the server; model, draft and threads are put behind it
  model = nil, -- path of a blob
  draft = nil, -- path of a smaller one that proposes
  threads = nil, -- most threads
  settings = {}, -- of the server, as docs/editors.md lists them
  filetypes = nil, -- a list of those to complete; nil: all
  filetypes_off = { 'gitcommit', 'gitrebase', 'help' },
  automatic = true, -- ask while somebody types
  debounce_ms = 75, -- how long nobody has to type before that
  native = nil, -- vim.lsp.inline_completion; nil: where it is there
  keys = { -- in insert mode; '' or false leaves one out
    accept = '<Tab>',
    accept_line = '<S-Tab>',
    accept_word = '<C-B>',
    dismiss = '<C-]>',
    trigger = '<C-F>',
    next = '<M-]>',
    previous = '<M-[>',
  },
}

M.config = nil -- after setup
M.enabled = false

-- What draws: both modules have visible, accept(kind), dismiss, trigger, move(n), attach, detach.
function M.view()
  return require(M.uses_native() and 'apus.native' or 'apus.ghost')
end

function M.uses_native()
  local has = vim.lsp.inline_completion ~= nil
  if M.config and M.config.native ~= nil then
    return M.config.native and has
  end
  return has
end

function M.client()
  return vim.lsp.get_clients({ name = 'apus' })[1]
end

-- Whether a buffer is to be completed.
function M.wants(buf)
  if not vim.api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= '' then
    return false
  end
  local kind = vim.bo[buf].filetype
  if vim.tbl_contains(M.config.filetypes_off, kind) or vim.b[buf].apus == false then
    return false
  end
  return not M.config.filetypes or vim.tbl_contains(M.config.filetypes, kind)
end

function M.command_line()
  local c = M.config
  local cmd = vim.deepcopy(c.cmd)
  if c.model then
    table.insert(cmd, vim.fs.normalize(c.model))
  end
  if c.draft then
    vim.list_extend(cmd, { '-d', vim.fs.normalize(c.draft) })
  end
  if c.threads then
    vim.list_extend(cmd, { '-t', tostring(c.threads) })
  end
  return cmd
end

-- One server for all buffers: one model in memory.
function M.start(buf)
  if not M.enabled or not M.wants(buf) then
    return
  end
  if vim.fn.executable(M.config.cmd[1]) == 0 then
    vim.notify_once('apus: ' .. M.config.cmd[1] .. ' is not executable, see :checkhealth apus',
      vim.log.levels.WARN)
    return
  end
  vim.lsp.start({
    name = 'apus',
    cmd = M.command_line(),
    root_dir = vim.fn.getcwd(),
    init_options = M.config.settings,
    settings = { apus = M.config.settings },
    flags = { debounce_text_changes = 20 }, -- so that changes are evaluated while nobody types
    on_attach = function(client, attached)
      M.view().attach(client, attached)
    end,
  }, {
    bufnr = buf,
    reuse_client = function(client)
      return client.name == 'apus' and not (client.is_stopped and client:is_stopped())
    end,
  })
end

local function start_all()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.bo[buf].buflisted then
      M.start(buf)
    end
  end
end

local function stop()
  local client = M.client()
  if not client then
    return
  end
  for buf in pairs(client.attached_buffers) do
    M.view().detach(client, buf)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    client:stop()
  else
    client.stop()
  end
end

function M.enable()
  M.enabled = true
  start_all()
end

function M.disable()
  M.enabled = false
  stop()
end

local commands = {
  enable = M.enable,
  disable = M.disable,
  toggle = function()
    if M.enabled then
      M.disable()
    else
      M.enable()
    end
  end,
  restart = function()
    M.disable()
    vim.wait(2000, function()
      return M.client() == nil
    end, 20)
    M.enable()
  end,
  status = function()
    vim.notify('apus: ' .. M.status())
  end,
  log = function()
    vim.cmd.tabnew(vim.lsp.get_log_path and vim.lsp.get_log_path() or vim.lsp.log.get_filename())
  end,
  trigger = function()
    M.view().trigger()
  end,
}

function M.words()
  return vim.fn.sort(vim.tbl_keys(commands))
end

function M.command(word)
  if not M.config then
    M.setup(type(vim.g.apus) == 'table' and vim.g.apus or {})
  end
  local run = commands[word]
  if not run then
    vim.notify('apus: there is no :Apus ' .. word .. '; there are ' ..
      table.concat(M.words(), ', '), vim.log.levels.ERROR)
    return
  end
  run()
end

-- For a status line: "off", "no server" or "on".
function M.status()
  if not M.enabled then
    return 'off'
  end
  return M.client() and 'on' or 'no server'
end

-- What a key did before it was ours.
local function fall_back(before, key)
  if not before or vim.tbl_isempty(before) then
    return key
  end
  if before.callback then
    local result = before.callback()
    if before.expr == 1 and type(result) == 'string' then
      return result
    end
    return ''
  end
  if before.expr == 1 then
    return vim.api.nvim_eval(before.rhs)
  end
  return before.rhs ~= '' and before.rhs or key
end

-- A key that does something while text is shown, and otherwise what it did before. Accepted text
-- is one step of undo.
local function bind(key, action, always)
  if not key or key == '' then
    return
  end
  local before = vim.fn.maparg(key, 'i', false, true)
  if before.desc and vim.startswith(before.desc, 'apus: ') then
    before = nil
  end
  vim.keymap.set('i', key, function()
    local there = always and M.enabled and M.client() or M.view().visible()
    if not there then
      return fall_back(before, key)
    end
    return '<C-G>u<Cmd>lua require("apus").act("' .. action .. '")<CR>'
  end, { expr = true, replace_keycodes = true, desc = 'apus: ' .. action })
end

function M.act(action)
  local view = M.view()
  if action == 'accept' or action == 'accept_line' or action == 'accept_word' then
    view.accept(action)
  elseif action == 'dismiss' then
    view.dismiss()
  elseif action == 'trigger' then
    view.trigger()
  elseif action == 'next' then
    view.move(1)
  elseif action == 'previous' then
    view.move(-1)
  end
end

-- The front of a text that a kind of acceptance takes: all, the rest of a line, a word with the
-- blanks in front of it.
function M.front_of(text, kind)
  if kind == 'accept_word' then
    return text:match('^%s*[%w_\128-\255]+') or text:match('^%s*[^%w%s_\128-\255]+') or text
  elseif kind == 'accept_line' then
    return text:match('^\n*[^\n]*')
  end
  return text
end

-- Puts text in front of the cursor, which goes behind it. The place behind it: row and column from
-- 0.
function M.insert(text)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  local last = row - 1 + #lines - 1
  local behind = (#lines == 1 and col or 0) + #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { last + 1, behind })
  return last, behind
end

function M.setup(given)
  M.config = vim.tbl_deep_extend('force', M.defaults, given or {})
  vim.api.nvim_set_hl(0, 'ApusGhost', { default = true, link = 'Comment' })
  local group = vim.api.nvim_create_augroup('apus', {})
  vim.api.nvim_create_autocmd({ 'FileType', 'BufEnter' }, {
    group = group,
    callback = function(event)
      M.start(event.buf)
    end,
  })
  for action, key in pairs(M.config.keys) do
    bind(key, action, action == 'trigger')
  end
  M.enable()
end

return M
