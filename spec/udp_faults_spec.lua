--- Datagrams where calls of the system fail: see test/faults.c.

local faults = require "spec.faults_support"

local faulty = faults.faulty(it, pending)

--- What calls came to, in a list of "call=code".
local function run(rules)
  return faults.codes(("FAULTS='%s'"):format(rules), "udp_faults_program.lua", "handles=0 tasks=0")
end

describe("datagrams", function()
  faulty("come all the same when calls are interrupted or there is no room", function()
    for _, code in ipairs { "EINTR", "EAGAIN" } do
      assert.equal("", run(("sendmsg=%s/3 recvmsg=%s/3"):format(code, code)))
    end
    assert.equal("", run "sendmsg=ENOBUFS/3")
  end)

  faulty("are waited for again when the system had no memory for one", function()
    for _, code in ipairs { "ENOBUFS", "ENOMEM" } do
      assert.equal("recv=" .. code, run(("recvmsg=%s/9"):format(code)))
    end
  end)

  faulty("that cannot be sent are told so", function()
    assert.equal("send=EACCES", run "sendmsg=EACCES/7")
    assert.equal("send=ENOMEM", run "sendmsg=ENOMEM/7")
  end)

  faulty("have no socket where there is no descriptor", function()
    assert.equal("bind=ENFILE udp=EMFILE", run "socket=EMFILE/1x1 socket=ENFILE/1+1x1")
  end)
end)
