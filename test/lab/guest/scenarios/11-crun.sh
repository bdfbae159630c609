# shellcheck shell=bash
# weight: 140
# native: all
# cgroups: v2 and v1
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases crun
