-- :CountLines [folder]   counts the lines of its files
-- :CountLinesStop        no more
vim.api.nvim_create_user_command("CountLines", function(command)
  require("count_lines").start(command.args ~= "" and command.args or ".")
end, { nargs = "?", complete = "dir", bar = true })

vim.api.nvim_create_user_command("CountLinesStop", function()
  require("count_lines").stop()
end, { bar = true })
