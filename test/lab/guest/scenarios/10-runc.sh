# shellcheck shell=bash
# weight: 160
# native: all
# cgroups: v2 and v1
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases runc
