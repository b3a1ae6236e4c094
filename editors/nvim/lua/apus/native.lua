-- Neovim's own inline completion (0.12), with acceptance by words and lines.
local M = {}
local api = vim.api

function M.attach(client)
  vim.lsp.inline_completion.enable(true, { client_id = client.id })
end

function M.detach(client)
  vim.lsp.inline_completion.enable(false, { client_id = client.id })
end

local space = api.nvim_create_namespace('nvim.lsp.inline_completion')

function M.visible()
  return #api.nvim_buf_get_extmarks(0, space, 0, -1, { limit = 1 }) > 0
end

function M.accept(kind)
  local apus = require('apus')
  vim.lsp.inline_completion.get({
    on_accept = function(item)
      -- Somebody may have typed since: what stands between the item's place and the cursor is not
      -- put there again.
      local text = item.insert_text
      local row, col = unpack(api.nvim_win_get_cursor(0))
      if type(text) ~= 'string' then
        return item
      end
      local typed = ''
      if item.range then
        local start_row, start_col = item.range:to_extmark()
        if start_row ~= row - 1 or start_col > col then
          return nil
        end
        typed = api.nvim_get_current_line():sub(start_col + 1, col)
      end
      if vim.startswith(text, typed) then
        apus.insert(apus.front_of(text:sub(#typed + 1), kind))
      end
      return nil
    end,
  })
end

-- What draws in this buffer. Neovim has no public word for dismissing and for asking by hand; where
-- it is not found, dismissing still takes the text away, and asking does nothing.
local function completor()
  local ok, found = pcall(function()
    return require('vim.lsp._capability').all.inline_completion.active[api.nvim_get_current_buf()]
  end)
  return ok and found or nil
end

function M.dismiss()
  local drawing = completor()
  if drawing then
    pcall(drawing.abort, drawing)
  end
  api.nvim_buf_clear_namespace(0, space, 0, -1)
end

function M.move(n)
  vim.lsp.inline_completion.select({ count = n })
end

-- Asks by hand: alternatives come.
function M.trigger()
  local drawing = completor()
  if drawing then
    pcall(drawing.request, drawing, vim.lsp.protocol.InlineCompletionTriggerKind.Invoked)
  end
end

return M
