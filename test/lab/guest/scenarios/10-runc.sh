# shellcheck shell=bash
# weight: 190
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases runc
