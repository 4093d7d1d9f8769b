#!/usr/bin/env bash
# setup.sh DIR: builds HL7's official validator in DIR, for offline use: about 220 MB, half a minute.
# Needs mvn, a JDK 17, npm and python3. Packages are checked against the sums in packages.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/../../adapter/validation/official/installation.py" "$1"
