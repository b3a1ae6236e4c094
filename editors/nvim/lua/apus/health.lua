-- :checkhealth apus
local M = {}

local function check_version()
  if vim.fn.has('nvim-0.10') == 0 then
    vim.health.error('expected Neovim 0.10 or newer')
    return
  end
  local apus = require('apus')
  vim.health.ok('Neovim ' .. tostring(vim.version()) .. ', ' ..
    (apus.uses_native() and "text by Neovim's own inline completion" or 'ghost text of our own'))
end

local function check_server(cmd)
  local name = cmd[1]
  if vim.fn.executable(name) == 0 then
    vim.health.error(name .. ' is not executable', {
      'build it (README.md), and put it on $PATH or its path into cmd of setup()' })
    return
  end
  local got = vim.system({ name, '--version' }, { text = true }):wait(5000)
  if got.code ~= 0 then
    vim.health.error(name .. ' --version ended with status ' .. got.code, { got.stderr or '' })
    return
  end
  vim.health.ok(vim.fn.exepath(name) .. ': ' .. vim.trim(got.stdout))
end

local function check_file(what, path)
  if not path then
    return
  end
  local full = vim.fs.normalize(path)
  if vim.fn.filereadable(full) == 1 then
    vim.health.ok(what .. ': ' .. full)
  else
    vim.health.error(what .. ' cannot be read: ' .. full, { 'make one with apus-pack' })
  end
end

function M.check()
  local apus = require('apus')
  vim.health.start('apus')
  check_version()
  if not apus.config then
    vim.health.warn('setup() was not called', { "require('apus').setup({ model = ... })" })
    return
  end
  local config = apus.config
  check_server(config.cmd)
  check_file('model', config.model)
  check_file('draft', config.draft)
  if not config.model and not config.settings.model and #config.cmd < 3 then
    vim.health.error('no model is given', { 'model = "/path/of/a/blob.apus" in setup()' })
  end
  local client = apus.client()
  if client then
    vim.health.ok('the server runs, with columns in ' .. client.offset_encoding)
  elseif apus.enabled then
    vim.health.warn('the server does not run', { ':Apus log', 'open a file' })
  else
    vim.health.info('switched off: :Apus enable')
  end
  for action, key in vim.spairs(config.keys) do
    if key and key ~= '' then
      local bound = vim.fn.maparg(key, 'i', false, true)
      if bound.desc == 'apus: ' .. action then
        vim.health.ok(key .. ': ' .. action)
      else
        vim.health.warn(key .. ' is bound to something else than ' .. action,
          { 'choose another key: keys = { ' .. action .. ' = ... } in setup()' })
      end
    end
  end
end

return M
