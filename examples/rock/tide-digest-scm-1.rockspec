rockspec_format = "3.0"
package = "tide-digest"
version = "scm-1"

source = {
  url = "git+https://github.com/tide-lua/tide.git",
  dir = "tide/examples/rock",
}

description = {
  summary = "Checksums in threads: an example of a C module that awaits",
  homepage = "https://github.com/tide-lua/tide",
  license = "MIT",
}

dependencies = {
  "lua >= 5.1",
  "tide",
}

-- tide.h lies in the tide rock: TIDE_DIR says where that is, see README.md.
external_dependencies = {
  TIDE = { header = "tide.h" },
}

build = {
  type = "builtin",
  modules = {
    digest = {
      sources = { "digest.c" },
      incdirs = { "$(TIDE_INCDIR)" },
      libraries = { "pthread" },
    },
  },
}
