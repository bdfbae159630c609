# shellcheck shell=bash
# weight: 145
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases runc
