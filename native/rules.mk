# SPDX-License-Identifier: MIT
# The Makefiles below native/ share these rules. Each sets PART, the name of its folder, and PRODUCT, the file
# that is linked from all .c files below that folder. Then it includes this file, and says how to link
# $(OBJECTS)/$(PRODUCT). The Makefiles below test/native/ set no PART and use only the flags.
#   BUILD=/abs/out   where everything is built
#   SANITIZE=1       for tests; an installed build is never sanitized
BUILD ?= ../../build
CC ?= cc
override BUILD := $(abspath $(BUILD))
RULES := $(lastword $(MAKEFILE_LIST))
INCLUDE := $(dir $(RULES))include

STANDARD := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror
HARDENED := -Wl,-z,now,-z,relro,-z,noexecstack
ifeq ($(SANITIZE),1)
FLAVOUR := -sanitized
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g
endif
# Programs are linked statically where that works, and never with a sanitizer.
STATIC = $(if $(SANITIZERS),,$(shell printf 'int main(void){return 0;}' | \
	$(CC) -static -x c -o /dev/null - 2>/dev/null && echo -static))

ifdef PART
OBJECTS := $(BUILD)/$(PART)$(FLAVOUR)
SOURCES := $(wildcard *.c */*.c)
COMPILED := $(SOURCES:%.c=$(OBJECTS)/%.o)
COMPILE = $(CC) -I. -I$(INCLUDE) $(STANDARD) -O2 $(PART_CFLAGS) $(SANITIZERS) $(CPPFLAGS) $(CFLAGS) \
	-MMD -MP -c
.DEFAULT_GOAL := all

ifeq ($(SANITIZE),1)
all:
	@echo 'SANITIZE=1 is for make test' >&2; exit 2
else
all: $(BUILD)/$(PRODUCT)
endif

$(BUILD)/$(PRODUCT): $(OBJECTS)/$(PRODUCT)
	cp $< $@.new && mv $@.new $@

$(OBJECTS)/$(PRODUCT): $(COMPILED) Makefile $(RULES)

$(OBJECTS)/%.o: %.c Makefile $(RULES)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $<

clean:
	rm -rf $(BUILD)/$(PART) $(BUILD)/$(PART)-sanitized $(BUILD)/$(PART)-test $(BUILD)/$(PART)-test-sanitized \
		$(BUILD)/$(PRODUCT)

-include $(COMPILED:.o=.d)
.PHONY: all test clean
endif
