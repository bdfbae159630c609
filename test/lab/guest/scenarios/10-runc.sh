# shellcheck shell=bash
# weight: 160
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases runc
