# shellcheck shell=bash
# weight: 90
# native: all
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases podman-crun
