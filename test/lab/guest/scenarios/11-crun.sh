# shellcheck shell=bash
# weight: 140
# native: and again
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases crun
