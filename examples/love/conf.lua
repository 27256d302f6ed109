-- check: no
function love.conf(t)
  t.identity = "tide-crossing"
  t.version = "11.4"
  t.window.title = "tide: a crossing"
  t.window.width = 480
  t.window.height = 270
  t.modules.audio = false
  t.modules.sound = false
  t.modules.joystick = false
  t.modules.physics = false
end
