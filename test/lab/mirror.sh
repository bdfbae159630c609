# shellcheck shell=bash
# Prints the mirror that apt uses here for this same Debian, or Debian's own.
mirror() {
	local codename uri
	if [ -n "${GHOSTKEEP_LAB_MIRROR:-}" ]; then
		printf '%s\n' "$GHOSTKEEP_LAB_MIRROR"
		return
	fi
	codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || codename=
	# shellcheck disable=SC2016 # apt's own variables
	uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null |
		awk -v codename="$codename" '$1 == codename { print $2; exit }')
	printf '%s\n' "${uri:-http://deb.debian.org/debian/}"
}
