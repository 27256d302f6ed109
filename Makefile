# tide: every habit is a target. `make help` lists them; `make demo` and
# `make test` start from a machine that has only git, make and a C compiler.
#
#   LUA=luajit         one Lua instead of all that are found
#   LUA_INCDIR=dir     take that Lua's lua.h (and LUA_BIN=, LUA_LIBS= with it)
#   SPEC=spec/x.lua    only that spec file, with its output shown
#   SEEDS=n            with how many seeds scenarios are explored
#   COUNT=n            so many of `make connections`
#   SECONDS=n SEED=n   how long `fuzz` and `soak` run, and by which chance
#   DEPS=no            `demo` and `test` install nothing
#   BENCH=queue        only the rows of the benchmark that begin with this
#   SCENARIO=queue     only that scenario of `make oom`
#   CC= CFLAGS= LDFLAGS= BUILD= PREFIX= DESTDIR= WERROR=1 JOBS= V=1 VERBOSE=1
#
# Each Lua has a folder of its own, named after the version in its lua.h:
# build/lua5.4/tide/core.so. The runtime knows no Lua, so its objects are
# compiled once and linked into every module.

BUILD ?= build
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MINGW ?= x86_64-w64-mingw32-gcc
BUSTED ?= $(shell command -v busted)

# lua5.5 is built where it is found; no distribution has it yet, so `test`
# does not ask for it.
LUAS ?= lua5.1 lua5.2 lua5.3 lua5.4 luajit
ifdef LUA
FOUND := $(LUA)
else
FOUND := $(LUAS) lua5.5
endif
# One word for each Lua: name|incdir|interpreter|-lone,-lother|package
# CHECKED has such words already.
FOUND := $(or $(CHECKED),$(shell LUA_INCDIR='$(LUA_INCDIR)' \
           LUA_BIN='$(LUA_BIN)' LUA_LIBS='$(LUA_LIBS)' tools/luas $(FOUND)))
NAMES := $(foreach f,$(FOUND),$(firstword $(subst |, ,$f)))
DEFAULT := $(firstword $(filter lua5.4,$(NAMES)) $(NAMES))
MISSING := $(if $(LUA_INCDIR),,$(filter-out $(NAMES),$(or $(LUA),$(LUAS))))
field = $(word $2,$(subst |, ,$(filter $1|%,$(FOUND))))
incdir = $(call field,$1,2)
interpreter = $(call field,$1,3)
lualibs = $(subst $(comma), ,$(call field,$1,4))
package = $(call field,$1,5)
comma := ,

RUNTIME_SRC := $(wildcard runtime/*.c)
BINDINGS_SRC := $(wildcard bindings/*.c)
LUA_SRC := $(shell find lua -name '*.lua' 2>/dev/null)
C_FILES := $(wildcard include/*.h runtime/*.[ch] bindings/*.[ch] test/*.[ch] \
  bench/floors/*.c examples/*.c examples/rock/*.c soak/*.c)
LUA_FILES := $(wildcard lua spec fuzz soak bin/tide examples bench test/*.lua) \
  $(wildcard tools/*.lua tools/check-docs tools/check-types rockspec/*.rockspec)
RUNTIME_TESTS := $(patsubst test/%.c,%,$(wildcard test/test_*.c))
LUA_TESTS := $(patsubst test/%.c,%,$(wildcard test/lua_*.c))
LUA_FILES += test

RUNTIME_OBJ := $(RUNTIME_SRC:runtime/%.c=$(BUILD)/runtime/obj/%.o)
FLAG_FILES := $(patsubst %,$(BUILD)/%/flags,runtime $(NAMES))
MODULES := $(NAMES:%=$(BUILD)/%/tide/core.so)
SOAK := $(NAMES:%=$(BUILD)/%/soak_native.so)
# For C programs, of lua5.4: libtide-5.4.a and tide-5.4.pc.
tide-x = tide-$(patsubst lua5.%,5.%,$1)
static = $(BUILD)/$1/lib$(call tide-x,$1).a $(BUILD)/$1/$(call tide-x,$1).pc
STATIC := $(foreach l,$(NAMES),$(call static,$l))
TESTS := $(RUNTIME_TESTS:%=$(BUILD)/runtime/test/%) \
  $(foreach l,$(NAMES),$(LUA_TESTS:%=$(BUILD)/$l/test/%))

# A terminal for the specs of the command.
PTY := $(BUILD)/runtime/test/pty
# What makes calls of sockets fail, for their specs.
FAULTS := $(if $(filter Linux,$(shell uname -s)),$(BUILD)/runtime/test/faults.so)
helpers = TIDE_PTY='$(PTY)' TIDE_FAULTS='$(FAULTS)'

UV_CFLAGS := $(shell pkg-config --cflags libuv 2>/dev/null)
UV_LIBS := $(shell pkg-config --libs libuv 2>/dev/null || echo -luv)
WARNINGS := -Wall -Wextra
ifneq (,$(filter true 1,$(CI) $(WERROR)))
WARNINGS += -Werror
endif
# Where a long has 32 bits: as libuv itself, whose requests are larger then.
FLAGS = -std=gnu11 -D_FILE_OFFSET_BITS=64 $(CFLAGS) -fPIC \
  -fvisibility=hidden $(WARNINGS) \
  -Iinclude -Iruntime -Ibindings $(UV_CFLAGS) $(CPPFLAGS)
ifeq ($(shell uname -s),Darwin)
SHARED := -bundle -undefined dynamic_lookup
else
SHARED := -shared -Wl,-Bsymbolic
endif
OBJCOPY := $(shell command -v objcopy)
Q := $(if $(V),,@)

# What a user has set for one Lua version would win over our LUA_PATH.
VERSIONS := 5_1 5_2 5_3 5_4 5_5
unexport LUA_INIT LUA_PATH LUA_CPATH $(VERSIONS:%=LUA_INIT_%) \
  $(VERSIONS:%=LUA_PATH_%) $(VERSIONS:%=LUA_CPATH_%)
# env, so that a sanitizer is preloaded into the tests and not into the shell
lua_env = env LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
  LUA_CPATH='$(CURDIR)/$(BUILD)/$1/?.so;;'
# LeakSanitizer does not look into LuaJIT's own memory: what is only known there
# would be a leak.
preload = $(if $(PRELOAD),LD_PRELOAD='$(PRELOAD)' \
  ASAN_OPTIONS=detect_leaks=$(if $(filter luajit,$1),0,1) \
  LSAN_OPTIONS=print_suppressions=0:suppressions=$(CURDIR)/tools/lsan.supp)

.PHONY: all static demo deps test spec explore ctest lint format \
  check-windows examples hosts rock rockspec asan tsan bench docs install \
  clean help tests run-build FORCE fuzz soak lifecycle valgrind gcstress \
  apicheck mutants
.DELETE_ON_ERROR:

all: $(MODULES) ## build for every Lua found (LUA=luajit: one)
	@$(if $(NAMES),:,echo "no Lua headers found: make deps" >&2; exit 1)

static: $(STATIC) ## the library that C programs are linked with, for every Lua

tests: all static $(TESTS) $(PTY) $(FAULTS) $(SOAK)

# ---- compiling

# Written only when it changes, so other flags or another compiler rebuild.
$(FLAG_FILES): $(BUILD)/%/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(FLAGS) $(LDFLAGS) $(call incdir,$*)' | cmp -s - $@ || \
	  echo '$(CC) $(FLAGS) $(LDFLAGS) $(call incdir,$*)' >$@

# $1: folder, $2: sources, $3: include flags, $4: libraries, $5: objects of tests
define rules
$(BUILD)/$1/obj/%.o: $2/%.c $(BUILD)/$1/flags
	@mkdir -p $$(@D)
	@echo "CC   $$@"
	$(Q)$(CC) $(FLAGS) $3 -MMD -MP -c $$< -o $$@

$(BUILD)/$1/test/%: test/%.c $(BUILD)/$1/flags $(RUNTIME_OBJ) $5
	@mkdir -p $$(@D)
	@echo "LINK $$@"
	$(Q)$(CC) $(FLAGS) $3 -MMD -MP -MT $$@ -MF $$@.d $$< \
	  $(RUNTIME_OBJ) $5 -o $$@ $$(LDFLAGS) \
	  $4 $(UV_LIBS) -lm
endef
define lua_rules
$(call rules,$1,bindings,-I$(call incdir,$1),$(call lualibs,$1),$2)

$(BUILD)/$1/tide/core.so: $(RUNTIME_OBJ) $2
	@mkdir -p $$(@D)
	@echo "LINK $$@"
	$(Q)$(CC) $(SHARED) $(CFLAGS) $$^ -o $$@ $(LDFLAGS) $(UV_LIBS) -lm

$(BUILD)/$1/soak_native.so: soak/native.c $(BUILD)/$1/flags
	@mkdir -p $$(@D)
	@echo "LINK $$@"
	$(Q)$(CC) $(SHARED) $(FLAGS) -I$(call incdir,$1) -MMD -MP -MF $$@.d $$< \
	  -o $$@ $(LDFLAGS) -lpthread

$(BUILD)/$1/obj/embedded.o: bindings/embed.c $(BUILD)/embedded.h \
    $(BUILD)/$1/flags
	@mkdir -p $$(@D)
	@echo "CC   $$@"
	$(Q)$(CC) $(FLAGS) -I$(call incdir,$1) -I$(BUILD) -DTIDE_EMBEDDED \
	  -MMD -MP -c $$< -o $$@

$(BUILD)/$1/lib$(call tide-x,$1).a: $(RUNTIME_OBJ) \
    $(BUILD)/$1/obj/embedded.o $(filter-out %/embed.o,$2)
	@echo "AR   $$@"
	$(Q)tools/archive $$@ $(if $(OBJCOPY),'$(OBJCOPY)',-) '$(CC) $(CFLAGS)' $$^

$(BUILD)/$1/$(call tide-x,$1).pc: tools/pkgconfig include/tide.h \
    $(BUILD)/$1/flags
	@tools/pkgconfig $(call tide-x,$1) $(call incdir,$1) \
	  '$(call lualibs,$1)' $(call package,$1) >$$@
endef
$(eval $(call rules,runtime,runtime))
$(foreach l,$(NAMES),$(eval $(call lua_rules,$l,$(BINDINGS_SRC:bindings/%.c=$(BUILD)/$l/obj/%.o))))

# Only what is linked into them sees these: see test/oom_memory.h, test/memory.h.
$(BUILD)/%/test/lua_oom $(BUILD)/%/test/test_buffer \
$(BUILD)/%/test/test_stream $(BUILD)/%/test/test_pair: private LDFLAGS += \
  $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc free)

# Under a sanitizer, too, as it is: that comes before it.
$(BUILD)/runtime/test/faults.so: test/faults.c $(BUILD)/runtime/flags
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) -std=gnu11 -O2 -g -fPIC -shared $(WARNINGS) $< -o $@ -ldl

$(BUILD)/embedded.h: $(LUA_SRC) tools/embed
	@mkdir -p $(@D)
	@tools/embed lua $(LUA_SRC) >$@
-include $(wildcard $(BUILD)/*/obj/*.d $(BUILD)/*/test/*.d $(BUILD)/*/*.d)

# ---- the two commands for newcomers

# They call make again, because what deps installs is looked for on entry.
demo: ## install what is missing, build, and run the tour
	$(if $(filter no,$(DEPS)),,@tools/deps demo $(LUA))
	@$(MAKE) --no-print-directory run-demo

run-demo: $(BUILD)/$(DEFAULT)/tide/core.so
	@$(call lua_env,$(DEFAULT)) $(call interpreter,$(DEFAULT)) \
	  examples/tour.lua

test: ## install what is missing and run every check on every Lua
	$(if $(filter no,$(DEPS)),,@tools/deps test $(or $(LUA),$(LUAS)))
	+@$(call suites,run-lint run-windows run-clang run-ctest run-spec \
	  run-fuzz run-docs-c run-docs-html run-examples run-c-examples run-hosts \
	  run-rock run-missing run-soak run-connections)

deps: ## install what `make test` needs
	@tools/deps test $(or $(LUA),$(LUAS))

# ---- suites: each leaves its log and its counts in build/results

suites = rm -rf $(BUILD)/results; \
  $(MAKE) -k -O --no-print-directory \
  $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) $1; \
  tools/total $$? $(BUILD)/results
suite = tools/suite $(BUILD)/results
check = $(suite) --check

lint: ## check layers, format, Lua files, source lists and types/
spec: ## run the specs (LUA=lua5.1 SPEC=spec/task_spec.lua)
ctest: ## run the C tests
hosts: ## install for every Lua, build C and C++ programs with that and run them
rock: ## lint, install and try the rocks for every Lua
lint spec ctest hosts rock:
	+@$(call suites,run-$@)

examples: ## run the examples, in Lua and in C, on every Lua
	+@$(call suites,run-examples run-c-examples)

# However long it takes.
explore: ## cancel at every await, with SEEDS=1000 orders of the tasks
	+@$(call suites,run-spec SPEC='$(wildcard spec/*explore*_spec.lua)' \
	  SEEDS=$(or $(SEEDS),1000) SUITE_TIMEOUT=0)

# Other programs each time, unless there is a SEED; those of `test` are the same.
fuzz: ## compare random programs with a model (SECONDS=60 SEED=7 LUA=luajit)
	+@$(call suites,run-fuzz SUITE_TIMEOUT=0 SECONDS=$(or $(SECONDS),60) \
	  SEED=$(or $(SEED),$(shell date +%s)))
# One Lua after the other: they would be in each other's way.
soak: ## a mixed load for SECONDS=60 (LUA=lua5.4 SEED=7)
	+@$(call suites,-j1 run-soak SUITE_TIMEOUT=0 VERBOSE=1 \
	  SECONDS=$(or $(SECONDS),60) SEED=$(or $(SEED),$(shell date +%s)))

# Without room for as many descriptors it is skipped.
.PHONY: connections
connections: ## hold and drop COUNT=10000 connections (LUA=lua5.4)
	+@$(call suites,-j1 run-connections SUITE_TIMEOUT=0 VERBOSE=1 \
	  COUNT=$(or $(COUNT),10000))

# It takes some minutes for each Lua.
lifecycle: ## open, close, exit and fork at every moment (LUA=lua5.4)
	+@$(call suites,run-ctest LIFECYCLE=1 SUITE_TIMEOUT=0 VERBOSE=1 MODULES= \
	  TESTS='$(foreach t,$(TESTS),$(if $(findstring lua_lifecycle,$t),$t))')

check-windows: ## compile the runtime for Windows
	+@$(call suites,run-windows)

# The whole of test/lua_oom.c, of which `make ctest` runs a part.
.PHONY: oom
oom: ## fail every allocation in turn (SCENARIO=queue LUA=luajit), for minutes
	+@$(call suites,run-oom SUITE_TIMEOUT=0 VERBOSE=1)

# ---- tools: see doc/reliability.md

# With gcc. libuv and Lua are not instrumented, but what they are given is.
asan: ## C tests, specs, fuzz and examples under the address, UB and leak sanitizers
	+@$(MAKE) --no-print-directory BUILD=build/asan run-asan \
	  SEEDS=$(or $(SEEDS),20) CFLAGS="-O1 -g \
	  -fno-omit-frame-pointer -fsanitize=address,undefined \
	  -fno-sanitize-recover=undefined" \
	  PRELOAD=$$($(CC) -print-file-name=libasan.so)
# Without a test that forks while threads run: the sanitizer's own allocator may
# be locked by one of them, and then is for ever in the child.
run-asan:
	+@$(call suites,run-ctest run-each run-fuzz run-c-examples \
	  TESTS='$(filter-out %/lua_lifecycle_process,$(TESTS))')

# Optimised little, so that its stacks can be read.
valgrind: ## C tests and some specs under valgrind (SPEC=)
	$(if $(filter no,$(DEPS)),,@tools/deps valgrind $(TOOL_LUAS))
	+@$(MAKE) --no-print-directory BUILD=build/valgrind run-tool \
	  CFLAGS="-O1 -g" SEEDS=$(or $(SEEDS),1) SUITE_TIMEOUT=1800 \
	  UNDER='tools/valgrind $$(BUILD)/valgrind' LUAS='$(TOOL_LUAS)' \
	  SPECS='$(or $(SPEC),$(VALGRIND_SPECS))'

# What is not held is gone at once. See tideL_stress.
gcstress: ## specs and C tests of Lua with a full collection at every step
	+@$(MAKE) --no-print-directory BUILD=build/gcstress run-tool \
	  LUAS='$(TOOL_LUAS)' \
	  CPPFLAGS='$(CPPFLAGS) -DTIDE_GCSTRESS=500' RUNTIME_TESTS= \
	  SEEDS=$(or $(SEEDS),1) SUITE_TIMEOUT=900 \
	  SPECS='$(or $(SPEC),$(filter-out $(TIMED),$(SPECS)))'

# PUC Lua only: LuaJIT's checks need a debug build of all of it.
apicheck: ## C tests and specs on Luas that check their callers (fetches sources)
	$(if $(filter no,$(DEPS)),,@tools/deps apicheck)
	+@checked="$$(CC='$(CC)' tools/checked-lua build/checked \
	  $(filter-out luajit,$(or $(LUA),$(LUAS))))" && \
	  $(MAKE) --no-print-directory BUILD=build/apicheck CHECKED="$$checked" \
	  SEEDS=$(or $(SEEDS),1) SUITE_TIMEOUT=900 run-tool

# These look at how long something took, on the real clock.
TIMED := $(patsubst %,spec/%_spec.lua,checkpoint debug_mode docs)
# Under a tool each spec file is a program of its own: what it leaves and how
# long it takes is its own, too.
TOOL_LUAS := $(or $(LUA),lua5.1 lua5.4 luajit)
SPECS = $(or $(SPEC),$(wildcard spec/*_spec.lua))
# Those that are about memory: what is handed over, recycled, closed in use.
VALGRIND_SPECS := $(patsubst %,spec/%_spec.lua,barrier callback condition \
  coroutine event finaliser future gather generator group_close \
  lifetime lock loop park priority_queue queue reentry scope semaphore \
  shield sleep suspend task timeout trace var wait with)
run-tool:
	+@$(call suites,run-ctest run-each)
run-each: $(foreach l,$(NAMES),$(SPECS:spec/%_spec.lua=run-each/$l/%))
run-each/%: run-build-static
	@$(suite) --part spec-$(subst /,-,$*) $(call lua_env,$(*D)) $(helpers) \
	  $(call preload,$(*D)) $(UNDER) $(call interpreter,$(*D)) $(BUSTED) spec/$(*F)_spec.lua

# The C tests with threads of their own.
THREADED := test_dns test_fs test_file test_process test_remote \
  test_remote_end test_work test_signal \
  test_listener test_stdio test_terminal \
  lua_threads lua_lifecycle_threads
tsan: ## the C tests that have threads under the thread sanitizer
	+@$(MAKE) --no-print-directory BUILD=build/tsan run-tsan \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=thread"
run-tsan:
	+@$(call suites,run-ctest MODULES= \
	  TESTS='$(filter $(THREADED:%=\%/%),$(TESTS))')

mutants: ## try faults on the tests; each has to be found (NAME=part, LUA=)
	@tools/mutants $(DEFAULT) $(call interpreter,$(DEFAULT)) '$(NAME)'

run-lint: run-lint-layers run-lint-format run-lint-luacheck run-lint-sources \
  run-lint-floors run-lint-types run-lint-mutants
run-lint-layers:
	@$(check) lint-layers tools/check-layers
run-lint-format:
	@$(check) lint-format clang-format --dry-run -Werror $(C_FILES)
run-lint-luacheck:
	@$(check) lint-luacheck luacheck -q --no-color $(LUA_FILES)
run-lint-sources:
	@$(check) lint-sources tools/rockspec --check \
	  $(RUNTIME_SRC) $(BINDINGS_SRC) $(LUA_SRC)

# What `make bench` compiles, which no test runs.
run-lint-floors:
	@$(check) lint-floors $(CC) -std=gnu11 -fsyntax-only -Wall -Wextra -Werror \
	  -Iinclude -I$(call incdir,$(DEFAULT)) $(UV_CFLAGS) bench/floors/*.c
run-lint-types: run-build
	@$(check) lint-types $(call lua_env,$(DEFAULT)) \
	  $(call interpreter,$(DEFAULT)) tools/check-types

run-lint-mutants:
	@$(check) lint-mutants $(call interpreter,$(DEFAULT)) tools/mutate.lua check

# libuv's headers only: with all of /usr/include, glibc's would be found too.
run-windows:
	@mkdir -p build/windows
	@dir=$$(pkg-config --variable=includedir libuv); \
	  ln -sfn "$$dir/uv.h" "$$dir/uv" build/windows
	@$(check) windows $(MINGW) -std=gnu11 -fsyntax-only $(WARNINGS) \
	  -Iinclude -Iruntime -isystem build/windows $(RUNTIME_SRC)

run-build:
	+@$(check) build $(MAKE) --no-print-directory all $(PTY) $(FAULTS)
# After the modules: two makes at once would both build the runtime's objects.
run-build-static: run-build
	+@$(check) build-static $(MAKE) --no-print-directory static
run-build-tests: run-build-static
	+@$(check) build-tests $(MAKE) --no-print-directory tests
# The other compiler's warnings are all that is asked of it: no optimisation.
run-clang:
	+@$(check) clang $(MAKE) --no-print-directory tests \
	  BUILD=build/clang CC=clang CFLAGS=-O0 WERROR=1

# What nobody installed (DEPS=no) is seen in the total.
run-missing: $(MISSING:%=run-missing-%)
run-missing-%:
	@$(suite) missing-$* echo "$* not found: 0 passed, 0 failed, 1 skipped"

# busted may not be there for 5.5 yet.
NO_BUSTED := $(if $(filter lua5.5,$(NAMES)),$(shell $(call \
  interpreter,lua5.5) -e 'require "busted"' >/dev/null 2>&1 || echo lua5.5))
run-spec: $(patsubst %,run-spec-%,$(filter-out $(NO_BUSTED),$(NAMES))) \
  $(NO_BUSTED:%=run-missing-busted-for-%)
run-spec-%: run-build-static
	@VERBOSE='$(or $(VERBOSE),$(SPEC))' $(suite) spec-$* $(call lua_env,$*) \
	  $(helpers) $(call preload,$*) $(call interpreter,$*) $(BUSTED) $(SPEC)

run-fuzz: $(NAMES:%=run-fuzz-%) $(NAMES:%=run-fuzz-streams-%)
run-fuzz-%: run-build
	@$(check) fuzz-$* $(call lua_env,$*) $(call preload,$*) $(call interpreter,$*) \
	  fuzz/run.lua $(or $(SECONDS),2) $(SEED)
run-fuzz-streams-%: run-build
	@$(check) fuzz-streams-$* $(call lua_env,$*) $(call preload,$*) \
	  $(call interpreter,$*) fuzz/streams.lua $(or $(SECONDS),2) $(SEED)

run-soak: $(NAMES:%=run-soak-%)
run-soak-%: run-build-tests
	@$(suite) soak-$* $(call lua_env,$*) $(call preload,$*) $(call interpreter,$*) \
	  soak/run.lua $(or $(SECONDS),2) $(or $(SEED),1) \
	  $(sort $(wildcard soak/nouns/*.lua))

run-connections: $(NAMES:%=run-connections-%)
run-connections-%: run-build-tests
	@$(suite) connections-$* sh -c 'ulimit -n "$$(ulimit -Hn)"; exec "$$@"' - \
	  $(call lua_env,$*) $(call preload,$*) $(call interpreter,$*) \
	  soak/connections.lua $(or $(COUNT),100)

run-examples: $(NAMES:%=run-examples-%)
run-examples-%: run-build
	@$(suite) examples-$* $(call lua_env,$*) \
	  tools/check-examples $* $(call interpreter,$*)

run-c-examples: $(NAMES:%=run-c-examples-%)
run-c-examples-%: run-build-static
	@$(suite) c-examples-$* tools/check-examples-c $(BUILD)/$*/examples \
	  '$(CC) -std=gnu11 $(CFLAGS) -Iinclude -I$(call incdir,$*) $(UV_CFLAGS)' \
	  '$(BUILD)/$*/lib$(call tide-x,$*).a $(LDFLAGS) $(call lualibs,$*) $(UV_LIBS) -lm'

run-docs-c: $(NAMES:%=run-docs-c-%)
run-docs-c-%:
	@$(suite) docs-c-$* tools/check-docs-c $(CC) -std=gnu11 -Iinclude \
	  -I$(call incdir,$*)

# In it every link between pages is looked at.
run-docs-html: $(if $(shell command -v mkdocs),run-docs-mkdocs,run-missing-mkdocs)
run-docs-mkdocs:
	@$(check) docs-html tools/docs $(BUILD)/docs

run-oom: $(NAMES:%=run-oom-%)
run-build-oom:
	+@$(check) build-oom $(MAKE) --no-print-directory \
	  $(NAMES:%=$(BUILD)/%/test/lua_oom)
run-oom-%: run-build-oom
	@$(suite) oom-$* $(call lua_env,$*) $(BUILD)/$*/test/lua_oom --whole \
	  $(SCENARIO)

run-ctest: $(TESTS:$(BUILD)/%=run-ctest/%)
run-ctest/%: run-build-tests
	@$(suite) ctest-$(subst /test/,-,$*) \
	  $(call lua_env,$(firstword $(subst /, ,$*))) $(UNDER) $(BUILD)/$*

run-hosts: $(NAMES:%=run-hosts-%)
run-hosts-%: run-build-static
	+@$(suite) hosts-$* tools/check-hosts $* $(call tide-x,$*) '$(MAKE)' \
	  '$(BUILD)'

run-rock: run-rock-lint $(filter-out run-rock-lua5.5,$(NAMES:%=run-rock-%))
run-rock-lint:
	@$(check) rock-lint sh -ec \
	  'for spec in rockspec/*.rockspec; do luarocks lint $$spec; done'
run-rock-%:
	@$(suite) rock-$* tools/rock $* $(call incdir,$*) $(call interpreter,$*)

# ---- the rest

format: ## rewrite the C files in the project's style
	clang-format -i $(C_FILES)

rockspec: ## write the source lists of the rockspecs
	@tools/rockspec

bench: all ## measure (BENCH=queue LUA=luajit ROUNDS=3)
	@LUA_PATH='./?.lua;;' BENCH='$(BENCH)' ROUNDS='$(ROUNDS)' \
	  $(call interpreter,$(DEFAULT)) bench/run.lua $(foreach f,$(FOUND),'$f')

docs: ## make HTML of the pages, in build/docs (needs mkdocs)
	@tools/docs $(BUILD)/docs
	@echo "$(BUILD)/docs/index.html"

install: $(BUILD)/$(DEFAULT)/tide/core.so $(call static,$(DEFAULT)) ## install for LUA= under PREFIX=
	@tools/install '$(DESTDIR)$(PREFIX)' $(BUILD)/$(DEFAULT) \
	  $(notdir $(call interpreter,$(DEFAULT)))

# The rest of the list is what `luarocks make` leaves beside the sources.
clean: ## remove what was built
	rm -rf build tide runtime/*.o bindings/*.o

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' \
	  Makefile
