# shellcheck shell=bash
# weight: 90
# native: and again
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases podman-crun
