--- tide.net.udp: datagrams. All of it is in C: runtime/udp.c, bindings/udp.c.

return require "tide.core".udp
