-- The command, and setup() by itself where g:apus is set. See :help apus.
if vim.g.loaded_apus then
  return
end
vim.g.loaded_apus = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('apus: expected Neovim 0.10 or newer, found an older one', vim.log.levels.WARN)
  return
end

vim.api.nvim_create_user_command('Apus', function(given)
  require('apus').command(given.fargs[1])
end, {
  nargs = 1,
  desc = 'completion by apus lsp',
  complete = function(typed)
    return vim.tbl_filter(function(word)
      return vim.startswith(word, typed)
    end, require('apus').words())
  end,
})

if type(vim.g.apus) == 'table' then
  require('apus').setup(vim.g.apus)
end
