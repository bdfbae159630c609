# shellcheck shell=bash
# weight: 80
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

all_cases podman-crun
