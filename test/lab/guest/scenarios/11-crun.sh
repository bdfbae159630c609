# shellcheck shell=bash
# weight: 100
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases crun
